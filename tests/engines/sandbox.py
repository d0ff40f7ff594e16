"""Namespaces of our own, so that no process and no mount of an engine outlives the run, however it ends."""
import ctypes
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

from report import wait_until

INSIDE = "--inside"
# The engines are told to put their cgroups below one of ours, but podman kube play cannot be told.
PODMANS_CGROUP = "libpod_parent"
CLONE_NEWPID = 0x20000000
# Where the engines keep state whatever they are told: each is empty inside, and gone afterwards. So is the directory
# with all the rest.
PRIVATE = ("/run", "/dev/shm", "/var/lib/cni")
SETUP = 'for dir; do shift; [ "$dir" = -- ] && break; [ ! -d "$dir" ] || mount -t tmpfs none "$dir"; done; exec "$@"'


def enter(script, arguments):
    """Runs `script --inside SCRATCH ARGUMENTS` and returns its exit status. Nothing is left when this returns."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="podinit-engines-"))
    others = cgroups(PODMANS_CGROUP)
    # Of the next child; we stay its parent, so to wait for it is to wait for the whole namespace.
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWPID) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    # It ends with us even if we are killed: then its cgroups and its directory stay, but empty and without processes.
    command = ["setpriv", "--pdeathsig=KILL", "unshare", "--mount", "--mount-proc"]
    command += ["sh", "-c", SETUP, "sh", *PRIVATE, str(scratch), "--"]
    # Somebody has to reap the engines' daemons, and it is not to be the program under test.
    command += ["catatonit", "--", sys.executable, script, INSIDE, str(scratch), *arguments]
    init = subprocess.Popen(command)
    try:
        return init.wait()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    finally:
        init.kill()
        init.wait()
        remove_cgroups(scratch.name, others)
        shutil.rmtree(scratch)


def cgroups(name):
    """All at and below that name, in each hierarchy, children before their parents."""
    root = pathlib.Path("/sys/fs/cgroup")
    return sorted((*root.glob(f"{name}/**"), *root.glob(f"*/{name}/**")), reverse=True)


def remove_cgroups(own, others):
    for directory in cgroups(own):
        # The kernel may take a moment to let go of the dead.
        wait_until(lambda: removed(directory), f"rmdir {directory}")
    for directory in cgroups(PODMANS_CGROUP):
        # Should the host's podman have made any meanwhile, they are in use and stay.
        if directory not in others:
            removed(directory)


def removed(directory):
    try:
        directory.rmdir()
    except OSError:
        return not directory.exists()
    return True
