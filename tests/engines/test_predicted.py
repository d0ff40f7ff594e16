"""What `podinit --diagnose` predicts of Go and Java is what happens, as PID 1 and as a leader in a shared PID namespace.
The same of other programs is in tests/suite/diagnose.rs."""
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile

import pytest

from diagnosed import JSON, SHOWN, Diagnosis
from needs import require
from processes import children, is_delivered, status, wait_until_idle
from waiting import wait_until

UNSHARE = ("unshare", "--fork", "--pid", "--mount-proc", "--kill-child=KILL")
# Go's runtime has a handler for each of them, and the Java VM for all but USR1.
PREDICTED = {
    "Go": dict.fromkeys(SHOWN, "handled"),
    "Java": dict.fromkeys(SHOWN, "handled") | {"USR1": "kills"},
}
# How it exits, as PID 1 and otherwise; None if it does not. A PID 1 that exits on a signal has a handler for it, and so has
# a process that does not exit. After its own handler Go has the signal kill it, which does nothing to a PID 1. The Java VM
# uses USR2 itself, and one from elsewhere crashes some of its versions.
EXITS = {
    "Go": {"HUP": (2, -1), "TERM": (2, -15), "INT": (2, -2), "QUIT": (2, 2), "USR1": (None, None), "USR2": (None, None)},
    "Java": {"HUP": (129, 129), "TERM": (143, 143), "INT": (130, 130), "QUIT": (None, None), "USR1": (None, -10)},
}


@contextlib.contextmanager
def started(command):
    """A process, and its child's pid."""
    # The Java VM writes a file to its working directory where it crashes.
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          cwd=tempfile.gettempdir()) as process:
        try:
            yield process, children(process.pid)[0]
        finally:
            # unshare's child is killed with it, and nsenter's by the end of the PID namespace.
            process.kill()


@contextlib.contextmanager
def as_pid_1(command, _):
    """The process, the program's pid, and that of PID 1."""
    with started([*UNSHARE, *command]) as (process, pid):
        yield process, pid, pid


@contextlib.contextmanager
def as_leader(command, podinit):
    with started([*UNSHARE, podinit, "--pause"]) as (_, init):
        wait_until_idle(init, os.path.basename(podinit))
        with started(["nsenter", "-t", str(init), "-p", "-m", *command]) as (process, pid):
            yield process, pid, init


def caught(names):
    return sum(1 << signal.Signals[f"SIG{name}"] - 1 for name in names)


@pytest.fixture(scope="module")
def commands(programs):
    require(["nsenter", "unshare"])
    java = [os.path.realpath(shutil.which("java")), "-cp", str(programs), "Server"]
    return {"Go": [f"{programs}/goserver"], "Java": java}


@pytest.mark.parametrize("place", [as_pid_1, as_leader])
@pytest.mark.parametrize("program", PREDICTED)
def test_what_is_predicted_comes_true(program, place, commands, podinit):
    """Each signal does what was predicted."""
    is_pid_1 = place is as_pid_1
    predicted = {name: "dropped" if is_pid_1 and what == "kills" else what for name, what in PREDICTED[program].items()}
    mask = caught(name for name, what in predicted.items() if what == "handled")
    for name in SHOWN:
        with place(commands[program], podinit) as (process, pid, init):
            wait_until(lambda: int(status(pid)["SigCgt"], 16) & mask == mask, f"{program} has its handlers")
            wait_until(lambda: status(pid)["State"].startswith("S"), f"{program} sleeps")
            enter = ["nsenter", "-t", str(init), "-p", "-m", podinit]
            found = Diagnosis(subprocess.run([*enter, *JSON[1:]], capture_output=True, text=True).stdout)
            inside = int(status(pid)["NSpid"].split()[-1])
            assert next(one["signals"] for one in found.all["processes"] if one["pid"] == inside) == predicted
            os.kill(pid, signal.Signals[f"SIG{name}"])
            if name not in EXITS[program]:
                wait_until(lambda: is_delivered(pid), f"{name} is delivered")
                # It may have crashed.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
                process.communicate()
                assert process.returncode != -signal.Signals[f"SIG{name}"]
                continue
            exits = EXITS[program][name][0 if is_pid_1 else 1]
            if exits is None:
                wait_until(lambda: is_delivered(pid), f"{name} is delivered")
                # One that it killed would not exit as it does on SIGTERM.
                os.kill(pid, signal.SIGTERM)
                exits = EXITS[program]["TERM"][0 if is_pid_1 else 1]
            output = process.communicate()[0]
            assert process.returncode == exits, (name, output)
            assert ("Full thread dump" in output) == (program == "Java" and name == "QUIT")
