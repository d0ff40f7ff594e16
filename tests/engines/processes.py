"""The attributes of a process in /proc (proc(5))."""
import contextlib
import os
import pathlib

from waiting import wait_until


def status(pid):
    """The fields of /proc/PID/status."""
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def uids(pid):
    """Real, effective, saved and file system uid."""
    return set(status(pid)["Uid"].split())


def children(pid):
    """The pids of its children, if there are any: waits for them."""
    def found():
        return pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()

    return [int(child) for child in wait_until(found, f"process {pid} has children")]


def wait_until_idle(pid, *programs):
    """Waits until the process executes one of `programs` and sleeps. Before that it executes the runtime (`runc init`),
    or has not blocked its signals and dropped its privileges yet."""
    def idle():
        return os.path.basename(os.readlink(f"/proc/{pid}/exe")) in programs and status(pid)["State"].startswith("S")

    wait_until(idle, f"process {pid} is idle")


def is_delivered(pid):
    """Whether no signal is pending, or it has exited."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return int(status(pid)["SigPnd"], 16) == int(status(pid)["ShdPnd"], 16) == 0
    return True


def is_quiet(pid):
    """Whether no signal is pending and all threads sleep, or it has exited."""
    try:
        if not is_delivered(pid):
            return False
        threads = pathlib.Path(f"/proc/{pid}/task").glob("*/stat")
        return all(thread.read_text().rpartition(") ")[2].startswith("S") for thread in threads)
    except (FileNotFoundError, ProcessLookupError):
        # The process, or one of its threads.
        return not os.path.exists(f"/proc/{pid}")
