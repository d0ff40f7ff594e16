"""A pod whose PID 1 is podinit, and processes that enter its PID namespace as container leaders do. Needs root."""

import ctypes
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CLONE_NEWPID = 0x20000000
# A time limit for each wait, in seconds. A wait that takes longer is a failure.
LIMIT = 60


class Pod:
    """A pause process, and the leaders that enter its PID namespace, each in a mount namespace of its own."""

    def __init__(self, folder):
        self.libc = ctypes.CDLL(None, use_errno=True)
        command = ["unshare", "--fork", "--pid", "--mount-proc", "--kill-child=KILL", folder / "podinit", "--pause"]
        self.outer = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=open(folder / "log", "ab"))
        self.leaders = []
        children = Path(f"/proc/{self.outer.pid}/task/{self.outer.pid}/children")
        self.pid = wait_for(lambda: int(children.read_text().strip() or 0))
        assert self.pid > 1
        # podinit blocks all signals at its start.
        wait_for(lambda: blocked(self.pid) & 1 << signal.SIGHUP - 1)
        self.namespaces = os.open(f"/proc/{self.pid}/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        self.own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)

    def enter(self, command):
        """Starts a leader."""
        assert self.libc.setns(self.namespaces, CLONE_NEWPID) == 0
        leader = subprocess.Popen(["unshare", "--mount", "--", *command], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)
        assert self.libc.setns(self.own, CLONE_NEWPID) == 0
        self.leaders.append(leader)
        return leader

    def hang_up(self):
        os.kill(self.pid, signal.SIGHUP)

    def end(self):
        for leader in self.leaders:
            leader.kill()
            leader.wait()
        os.kill(self.pid, signal.SIGKILL)
        self.outer.wait()
        os.close(self.namespaces)
        os.close(self.own)


def wait_for(condition):
    ends = time.monotonic() + LIMIT
    while not (found := condition()):
        if time.monotonic() > ends:
            raise AssertionError("it did not happen")
        time.sleep(0.005)
    return found


def blocked(pid):
    """The mask of a process, as a number."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1], 16) for line in lines if line.startswith("SigBlk:"))


def executes(pid, program):
    """Whether the process executes this program, by its path or name. comm has no more than 15 characters (proc(5))."""
    return Path(f"/proc/{pid}/comm").read_text().strip() == Path(program).name[:15]


def copy_podinit(folder):
    """Makes a copy of the init where every user can execute it."""
    binary = os.environ.get("PODINIT_UNDER_TEST")
    if not binary:
        subprocess.run(["cargo", "build", "--quiet", "--release"], cwd=ROOT, check=True)
        binary = ROOT / "target/release/podinit"
    shutil.copy(binary, folder / "podinit")
    folder.chmod(0o755)
