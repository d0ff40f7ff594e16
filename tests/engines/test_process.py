"""A candidate as an init that is not PID 1, outside of a container. In a container with a shared PID namespace an init
is not PID 1 either."""
import contextlib
import ctypes
import os
import pathlib
import signal
import subprocess

import pytest

from processes import status

pytestmark = pytest.mark.compared("not PID 1")

RECEIVE = pathlib.Path(__file__).parents[1] / "helpers/receive.py"
VALUE = 20_260
SI_QUEUE = -1
# Prints the pid of its orphan, and exits when its stdin ends.
ORPHANS = "echo $( (sleep 1000000 >/dev/null & echo $!) ); read -r end"


def test_a_queued_signal_keeps_its_value(init):
    """A signal sent with a value is forwarded with the value."""
    with started(init, "/usr/bin/python3", str(RECEIVE), "1") as process:
        assert process.stdout.readline().split()[0] == "ready"
        queue(process.pid, signal.SIGUSR1, VALUE)
        number, code, value = process.communicate()[0].split()[1:4]
    assert (int(number), int(code), int(value)) == (signal.SIGUSR1, SI_QUEUE, VALUE)


def test_an_orphan_is_adopted(init):
    """An orphan of the main process is adopted, without an option."""
    with started(init, "sh", "-c", ORPHANS) as process:
        orphan = int(process.stdout.readline())
        parent = int(status(orphan)["PPid"])
        os.kill(orphan, signal.SIGKILL)
        assert parent == process.pid


@contextlib.contextmanager
def started(init, *command):
    with subprocess.Popen([init, "--", *command], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            # Its children exit when their stdin ends, or with the sandbox.
            process.kill()


def queue(pid, number, value):
    """sigqueue(3). Its union has the size of a pointer, and is passed as one."""
    if ctypes.CDLL(None, use_errno=True).sigqueue(pid, int(number), ctypes.c_void_p(value)) != 0:
        raise OSError(ctypes.get_errno(), "sigqueue")
