"""Namespaces for a run, so that no process, mount, link or rule of an engine outlives it, however it ends."""
import contextlib
import ctypes
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

from waiting import wait_until

# What the sandbox itself is made with.
NEEDS = ("catatonit", "setpriv", "unshare")
# The engines put their cgroups below the one of the sandbox, but podman kube play has no option for it.
PODMANS_CGROUP = "libpod_parent"
CLONE_NEWPID = 0x20000000
# Where the engines keep state whatever their options: each is empty inside, and removed at the end. So is the scratch
# directory.
PRIVATE = ("/run", "/dev/shm", "/var/lib/cni")
SETUP = 'for dir; do shift; [ "$dir" = -- ] && break; [ ! -d "$dir" ] || mount -t tmpfs none "$dir"; done; exec "$@"'
# Seconds that pytest has to tear its fixtures down after a signal.
PATIENCE = 20


def run(command):
    """Runs `command(scratch)` in a sandbox and returns its exit status, 1 if anything is left of it afterwards."""
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="podinit-engines-"))
    others = cgroups(PODMANS_CGROUP)
    # Of the next child; this process stays its parent, so to wait for it is to wait for the whole namespace.
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWPID) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    # It is killed with this process even if that is killed: then its cgroups and its directory stay, without processes.
    sandbox = ["setpriv", "--pdeathsig=KILL", "unshare", "--mount", "--mount-proc", "--net"]
    sandbox += ["sh", "-c", SETUP, "sh", *PRIVATE, str(scratch), "--"]
    # The engines' daemons need an init, and it must not be the program under test.
    sandbox += ["catatonit", "--", *command(scratch)]
    init = subprocess.Popen(sandbox, env={**os.environ, "TMPDIR": str(scratch)})
    namespace = os.readlink("/proc/self/ns/pid_for_children")
    try:
        status = wait_for(init)
    finally:
        init.kill()
        init.wait()
        remove_cgroups(scratch.name, others)
        shutil.rmtree(scratch)
    left = list(left_behind(scratch, namespace))
    print(*(f"left behind: {what}" for what in left), sep="\n", end="\n" if left else "", file=sys.stderr)
    return status or (1 if left else 0)


def wait_for(init):
    """Its exit status. The first SIGINT, SIGTERM or SIGHUP interrupts pytest, a second one ends the sandbox at once."""
    def interrupt(number, _):
        raise Interrupted(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    try:
        return init.wait()
    except Interrupted as interrupted:
        with contextlib.suppress(Interrupted, subprocess.TimeoutExpired):
            init.terminate()
            init.wait(PATIENCE)
        return 128 + interrupted.number
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)


class Interrupted(BaseException):
    def __init__(self, number):
        super().__init__(number)
        self.number = number


def cgroups(name):
    """All at and below that name, in each hierarchy, children before their parents."""
    root = pathlib.Path("/sys/fs/cgroup")
    return [pathlib.Path(directory) for top in (*root.glob(name), *root.glob(f"*/{name}"))
            for directory, _, _ in os.walk(top, topdown=False)]


def remove_cgroups(own, others):
    def is_removed(directory):
        with contextlib.suppress(OSError):
            directory.rmdir()
        return not directory.exists()

    for directory in cgroups(own):
        # The kernel may need a moment to release processes that were killed. What stays is reported as left behind.
        with contextlib.suppress(AssertionError):
            wait_until(lambda: is_removed(directory), f"rmdir {directory}")
    for directory in cgroups(PODMANS_CGROUP):
        # The host's podman may have made some meanwhile: they are in use and stay.
        if directory not in others:
            is_removed(directory)


def left_behind(scratch, namespace):
    """Processes, mounts and cgroups of a sandbox."""
    def is_inside(process):
        with contextlib.suppress(OSError):
            return os.readlink(process / "ns/pid") == namespace

    yield from (f"process {process.name}" for process in pathlib.Path("/proc").glob("[0-9]*") if is_inside(process))
    mounts = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
    yield from (f"mount {line.split()[4]}" for line in mounts if scratch.name in line)
    yield from (f"cgroup {directory}" for directory in cgroups(scratch.name))
