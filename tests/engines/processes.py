"""What /proc says of a process (proc(5))."""
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


def wait_until_idle(pid, *programs):
    """Waits until one of `programs` runs there and sleeps. Before that it is the runtime's own process (`runc init`),
    or has yet to block signals and to drop privileges."""
    def idle():
        return os.path.basename(os.readlink(f"/proc/{pid}/exe")) in programs and status(pid)["State"].startswith("S")

    wait_until(idle, f"process {pid} is idle")
