"""Namespaces for a run: no process, mount, link or firewall rule of an engine outlives it, even if it is killed."""
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

# The programs that the sandbox itself needs.
NEEDS = ("busybox", "catatonit", "setpriv", "unshare")
# The engines put their cgroups below the one of the sandbox, but podman kube play has no option for it.
PODMANS_CGROUP = "libpod_parent"
CLONE_NEWPID = 0x20000000
# Directories where the engines keep state in spite of their options. In the sandbox each is empty at first, and
# removed at the end, as is the scratch directory.
PRIVATE = ("/run", "/dev/shm", "/var/lib/cni")
# containerd listens on 127.0.0.1.
SETUP = ('for dir; do shift; [ "$dir" = -- ] && break; [ ! -d "$dir" ] || mount -t tmpfs none "$dir"; done; '
         'busybox ip link set lo up; exec "$@"')
# Seconds that pytest has to tear its fixtures down after a signal.
PATIENCE = 20


def run(command):
    """Runs `command(scratch)` in a sandbox and returns its exit status, 1 if something of it is left behind."""
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="podinit-engines-"))
    others = cgroups(PODMANS_CGROUP)
    # The next child is PID 1 of the new namespace. When it has been reaped, no process of the namespace is left.
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWPID) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    # The sandbox is killed when this process exits or is killed. If it is killed, the cgroups and the directory
    # stay, without processes.
    sandbox = ["setpriv", "--pdeathsig=KILL", "unshare", "--mount", "--mount-proc", "--net"]
    sandbox += ["sh", "-c", SETUP, "sh", *PRIVATE, str(scratch), "--"]
    # The engines' daemons need an init, which must not be the program under test.
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
    """Returns its exit status. The first SIGINT, SIGTERM or SIGHUP interrupts pytest, a second one kills the sandbox."""
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
    """The cgroups of that name and those below, in each hierarchy, children before their parents."""
    root = pathlib.Path("/sys/fs/cgroup")
    return [pathlib.Path(directory) for top in (*root.glob(name), *root.glob(f"*/{name}"))
            for directory, _, _ in os.walk(top, topdown=False)]


def remove_cgroups(own, others):
    def is_removed(directory):
        with contextlib.suppress(OSError):
            directory.rmdir()
        return not directory.exists()

    for directory in cgroups(own):
        # The kernel may need a moment to release processes that were killed. A cgroup that remains is reported as
        # left behind.
        with contextlib.suppress(AssertionError):
            wait_until(lambda: is_removed(directory), f"rmdir {directory}")
    for directory in cgroups(PODMANS_CGROUP):
        # The host's podman may have made some meanwhile: they are in use and cannot be removed.
        if directory not in others:
            is_removed(directory)


def left_behind(scratch, namespace):
    """The processes, mounts and cgroups that a sandbox has left behind."""
    def is_inside(process):
        with contextlib.suppress(OSError):
            return os.readlink(process / "ns/pid") == namespace

    yield from (f"process {process.name}" for process in pathlib.Path("/proc").glob("[0-9]*") if is_inside(process))
    mounts = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
    yield from (f"mount {line.split()[4]}" for line in mounts if scratch.name in line)
    yield from (f"cgroup {directory}" for directory in cgroups(scratch.name))
