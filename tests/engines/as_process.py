"""A candidate as the init of a program that is not PID 1 and in no container: an entrypoint in a shared PID namespace
is in the same place."""
import contextlib
import ctypes
import os
import pathlib
import signal
import subprocess

from report import WATCHDOG, expect

RECEIVE = pathlib.Path(__file__).parents[1] / "helpers/receive.py"
VALUE = 20_260
SI_QUEUE = -1
# Says which process it has orphaned, and goes on until its stdin ends.
ORPHANS = "echo $( (sleep 1000000 >/dev/null & echo $!) ); read -r end"


def check(report, init):
    with report.check("not PID 1: a signal sent with a value is passed on with the value"), \
            started(init, "/usr/bin/python3", str(RECEIVE), "1") as process:
        expect(process.stdout.readline().split()[0], "ready", "the receiver")
        queue(process.pid, signal.SIGUSR1, VALUE)
        got = process.communicate(timeout=WATCHDOG)[0].split()
        wanted = ["got", str(signal.SIGUSR1.value), str(SI_QUEUE), str(VALUE)]
        expect(got[:4], wanted, "signal, si_code, value")

    with report.check("not PID 1: an orphan of its program's is adopted, without an option"), \
            started(init, "sh", "-c", ORPHANS) as process:
        orphan = int(process.stdout.readline())
        status = pathlib.Path(f"/proc/{orphan}/status").read_text()
        os.kill(orphan, signal.SIGKILL)
        expect(int(status.partition("PPid:")[2].split()[0]), process.pid, "its parent")


@contextlib.contextmanager
def started(init, *command):
    process = subprocess.Popen([init, "--", *command], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        # What it leaves behind ends with the sandbox.
        process.kill()
        process.wait()


def queue(pid, number, value):
    """sigqueue(3). Its union has the size of a pointer, and is passed like one."""
    if ctypes.CDLL(None, use_errno=True).sigqueue(pid, int(number), ctypes.c_void_p(value)) != 0:
        raise OSError(ctypes.get_errno(), "sigqueue")
