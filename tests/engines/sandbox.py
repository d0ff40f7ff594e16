"""Namespaces of our own, so that no process and no mount of an engine outlives the run, however it ends."""
import ctypes
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

from report import wait_until

INSIDE = "--inside"
CLONE_NEWPID = 0x20000000
# Where the engines keep state whatever they are told: each is empty inside, and gone afterwards.
PRIVATE = ("/run", "/dev/shm", "/var/lib/cni")
SETUP = 'for dir; do shift; [ "$dir" = -- ] && break; [ ! -d "$dir" ] || mount -t tmpfs none "$dir"; done; exec "$@"'


def enter(script, binary):
    """Runs `script --inside BINARY SCRATCH` and returns its exit status. Nothing is left when this returns."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="podinit-engines-"))
    # Of the next child; we stay its parent, so to wait for it is to wait for the whole namespace.
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWPID) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    command = ["unshare", "--mount", "--mount-proc", "sh", "-c", SETUP, "sh", *PRIVATE, "--"]
    # Somebody has to reap the engines' daemons, and it is not to be the program under test.
    command += ["catatonit", "--", sys.executable, script, INSIDE, str(binary), str(scratch)]
    init = subprocess.Popen(command)
    try:
        return init.wait()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    finally:
        init.kill()
        init.wait()
        remove_cgroups(scratch.name)
        shutil.rmtree(scratch)


def remove_cgroups(name):
    """The engines put theirs below one of that name, in each hierarchy."""
    root = pathlib.Path("/sys/fs/cgroup")
    for top in (*root.glob(name), *root.glob(f"*/{name}")):
        for directory, _, _ in os.walk(top, topdown=False):
            # The kernel may take a moment to let go of the dead.
            wait_until(lambda: removed(directory), f"rmdir {directory}")


def removed(directory):
    try:
        os.rmdir(directory)
    except OSError:
        return not os.path.exists(directory)
    return True
