"""A pod in which `podinit --diagnose` has something to say: nginx, a sidecar in Python, a program that does not reap its
child, and an app that is not root and has a stopped process."""
import json
import os
import pathlib
import re
import subprocess
import sys

import images
from compare import README
from nginx import Nginx
from processes import children, status, wait_until_idle
from waiting import wait_until

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[1]
# The image has no Python: it is the host's.
PYTHON = {path: os.path.realpath(path) for path in ("/usr", "/lib", "/lib64")} | {str(HERE): HERE}
UID = 1000
SHOWN = ("HUP", "TERM", "INT", "QUIT", "USR1", "USR2")
DIAGNOSE = ("/podinit", "--diagnose")
JSON = (*DIAGNOSE, "--json")
# A shell that is replaced by a program which knows of no child.
WORKER = "sleep 0 & exec sleep 1000000"
APP = """trap exit TERM; sleep 1000000 &
until read -r name </proc/$!/comm && [ "$name" = sleep ]; do :; done
kill -STOP $!; wait"""


def start_all(run, pid, log):
    """Starts the containers one after the other. `run(name, command, image, user, host)` starts one; `host` has paths of
    this machine by those that they have in it. `pid(name)` and `log(name)` are of its main process."""
    run("nginx", ("nginx", "-g", "daemon off;"), images.WORKLOAD, None, {})
    Nginx(pid("nginx"), lambda: log("nginx"))
    run("sidecar", ("/usr/bin/python3", f"{HERE}/handler.py"), images.WITH_PODINIT, None, PYTHON)
    wait_until(lambda: int(status(pid("sidecar"))["SigCgt"], 16) & 1, "the sidecar handles SIGHUP")
    run("worker", ("sh", "-c", WORKER), images.WORKLOAD, None, {})
    wait_until_idle(pid("worker"), "sleep", "busybox")
    wait_until(lambda: states(pid("worker")) == ["Z"] and name(pid("worker")) == "sleep", "a zombie")
    run("app", ("sh", "-c", APP), images.WORKLOAD, UID, {})
    wait_until(lambda: states(pid("app")) == ["T"], "a stopped process")
    wait_until(lambda: status(pid("app"))["State"].startswith("S"), "the app waits for it")


def states(pid):
    return [status(child)["State"][0] for child in children(pid)]


def name(pid):
    return status(pid)["Name"]


def words(text):
    """All that is compared of a text: its words, with each number as N. So pids, uids, times, counts, and how wide a column
    or a line is, do not matter."""
    return re.sub(r"\d+", "N", " ".join(text.split()))


def assert_readme_has(text):
    """For what `--diagnose` printed: README.md has it, with other numbers, and it fits a terminal."""
    assert words(text) in words(README.read_text()), f"README.md does not have this text:\n\n{text}"
    assert all(len(line) <= 80 for line in text.splitlines()), text


def readme_commands(program):
    """The commands in README.md that have `--diagnose` and begin with this program."""
    found = re.findall(r"`((?!podinit)[a-z]+ [^`\n]*--diagnose)`", README.read_text())
    assert {command.split()[0] for command in found} == {"docker", "kubectl", "nsenter"}, "each of them is executed here"
    return [command for command in found if command.split()[0] == program]


class Diagnosis:
    """What `--diagnose --json` printed, of which the schema is checked."""

    def __init__(self, text):
        # pytest shows it where the test has failed.
        print(text)
        schema = ROOT / "packaging/diagnose.schema.json"
        subprocess.run([sys.executable, HERE.parent / "helpers/flat.py", schema], input=text, text=True, check=True,
                       stdout=subprocess.DEVNULL)
        self.all = json.loads(text)
        self.pid_1 = self.all["pid_1"]

    def leader(self, name):
        return next(one for one in self.all["processes"] if one["role"] == "leader" and one["name"] == name)

    def findings(self):
        """Each kind of finding, and the names that it has."""
        return {finding["key"]: re.findall(r"\((\w+)\)", finding["what"]) for finding in self.all["findings"]}

    def receivers(self):
        """The names of the processes that PID 1 forwards a SIGHUP to."""
        names = {one["pid"]: one["name"] for one in self.all["processes"]}
        return [names[pid] for pid in self.pid_1["hup_receivers"]]


def check(found, receivers):
    """Checks what must be found in such a pod with podinit as PID 1, whose SIGHUP has these receivers."""
    assert (found.pid_1["kind"], found.pid_1["reaps"], found.pid_1["hup"]) == ("podinit-pause", "yes", "forwarded")
    assert found.all["shared"]
    assert found.receivers() == receivers
    assert found.leader("nginx")["signals"] == dict.fromkeys(SHOWN, "handled")
    python = dict.fromkeys(SHOWN, "kills") | {"HUP": "handled", "INT": "handled"}
    assert found.leader("python3")["signals"] == python
    assert found.leader("sleep")["signals"] == dict.fromkeys(SHOWN, "kills")
    # A shell of busybox has a handler for INT, and ignores QUIT.
    app = dict.fromkeys(SHOWN, "kills") | {"TERM": "handled", "INT": "handled", "QUIT": "ignored"}
    assert (found.leader("sh")["uid"], found.leader("sh")["signals"]) == (UID, app)
    assert found.findings()["zombies"] == ["sleep"] and found.findings()["stopped"] == ["sleep"]
