"""Which programs receive `kill -HUP 1` from which container of a pod: README.md's table."""
import contextlib
import itertools
import os
import pathlib
import shutil

import pytest

import candidates
import images
import scripts
from compare import README
from containerd import Containerd
from cri_pod import CriPod
from needs import require
from processes import is_quiet, status, wait_until_idle
from waiting import wait_until

HERE = pathlib.Path(__file__).parent
# The image has no Java, Python and bash: these are the host's.
HOST = ("/usr", "/lib", "/lib64")
HEADING = "`kill -HUP 1` from the container of"
SLEEP = "a program without a handler"


class Programs:
    """A pod with each program in a container of its own."""

    def __init__(self, directory):
        self.commands = {
            "nginx": ["nginx", "-g", "daemon off;"],
            "Go": [f"{directory}/goserver"],
            "Java": [os.path.realpath(shutil.which("java")), "-cp", str(directory), "Server"],
            "bash -i": ["/usr/bin/bash", "--norc", "-i"],
            "Python": ["/usr/bin/python3", f"{HERE}/handler.py"],
            SLEEP: ["sleep", "1000000"],
        }
        paths = [directory, HERE, *pathlib.Path("/etc").glob("java*")]
        self.host = {path: os.path.realpath(path) for path in HOST} | {str(path): path for path in paths}
        self.pids = {}

    def start(self, name):
        host = {} if name == "nginx" else self.host
        self.run(name, self.commands[name], host, name.startswith("bash"))
        self.pids[name] = self.pid(name)

    def start_again(self, name):
        wait_until(lambda: self.has_exited(name), f"the engine knows that {name} has exited")
        self.restart(name)
        self.pids[name] = self.pid(name)

    def is_ready(self, name):
        return name == SLEEP or int(status(self.pids[name])["SigCgt"], 16) & 1

    def ended(self):
        return [name for name, pid in self.pids.items() if not os.path.exists(f"/proc/{pid}")]

    def received(self, name):
        return self.log(name).count("(SIGHUP) received")

    def effect_since(self, before):
        """Who has received a SIGHUP since, as text."""
        handled = [name for name in self.commands if self.received(name) > before[name]]
        return ", ".join([*handled, *(f"{name} (exits)" for name in self.ended())]) or "none"

    def effect_from(self, sender, predicted):
        """Who receives `kill -HUP 1` from this container, as text. Waits until it is what is predicted, and for the end of
        all that the other programs do."""
        for name in self.ended():
            self.start_again(name)
        wait_until(lambda: all(self.is_ready(name) for name in self.commands), "they handle SIGHUP")
        before = {name: self.received(name) for name in self.commands}
        others = [pid for name, pid in self.pids.items() if name not in predicted]
        self.execute(sender, scripts.HUP)
        with contextlib.suppress(AssertionError):
            wait_until(lambda: self.effect_since(before) == predicted, f"{predicted} from {sender}")
        wait_until(lambda: all(is_quiet(pid) for pid in others), "all the other programs are idle, or have exited")
        return self.effect_since(before)

    def effects(self, predicted):
        return {name: self.effect_from(name, predicted.get(name, "none")) for name in self.commands}


class InPodman(Programs):
    def __init__(self, podman, pause, directory):
        super().__init__(directory)
        self.podman = podman
        self.logs = {}
        self.name = podman.name("meant")
        self.pause = pause

    def __enter__(self):
        infra = self.podman.pod(self.name, self.pause)
        for n, name in enumerate(self.commands):
            self.start(name)
            if n == 0:
                wait_until_idle(self.podman.pid(infra), "pause", "catatonit")
        return self

    def __exit__(self, *_):
        self.podman.attempt("pod", "rm", "--force", "--time=0", self.name)

    def full(self, name):
        return f"{self.name}-{list(self.commands).index(name)}"

    def run(self, name, command, host, terminal):
        options = [f"--volume={path}:{inside}:ro" for inside, path in host.items()]
        options += ["--interactive", "--tty"] if terminal else []
        self.podman("run", "--detach", f"--pod={self.name}", f"--name={self.full(name)}", *self.podman.confine,
                    *options, images.WORKLOAD, *command)

    def restart(self, name):
        self.podman("start", self.full(name))

    def has_exited(self, name):
        return self.podman.has_exited(self.full(name))

    def pid(self, name):
        return self.podman.pid(self.full(name))

    def log(self, name):
        # `podman logs` takes longer, and each of them is read many times.
        if name not in self.logs:
            self.logs[name] = pathlib.Path(self.podman.inspect(self.full(name), ".HostConfig.LogConfig.Path"))
        return self.logs[name].read_text()

    def execute(self, name, script):
        self.podman("exec", self.full(name), "/bin/sh", "-c", script)


class InCri(Programs):
    def __init__(self, containerd, directory):
        super().__init__(directory)
        self.pod = CriPod(containerd)
        self.pid, self.log = self.pod.pid, self.pod.log

    def __enter__(self):
        self.pod.__enter__()
        for name in self.commands:
            self.start(name)
        return self

    def __exit__(self, *exception):
        self.pod.__exit__(*exception)

    def run(self, name, command, host, terminal):
        self.pod.run(name, *command, read_only=host, terminal=terminal)

    def restart(self, name):
        self.pod.remove(name)
        self.start(name)

    def has_exited(self, name):
        return not self.pod.is_running(name)

    def execute(self, name, script):
        # If the container exits by the signal, containerd kills its exec sessions.
        self.pod.containerd.call("ExecSync", container_id=self.pod.containers[name], cmd=["sh", "-c", script])


@pytest.fixture(scope="module")
def columns(pytestconfig, podman, scratch, bare_pause):
    """The pause processes, by the titles of their columns."""
    require(["bash", "catatonit"])
    if pytestconfig.option.pause:
        pytest.skip("podinit is not the pause process")
    chosen = pytestconfig.candidates.chosen
    sender = candidates.Candidate("podinit sender", None, (*chosen.pause, "--target", "sender"))
    file = images.tar(scratch / "sender.tar", {"pause": chosen.pause[0]})
    podman.import_images([(images.pause(sender), file, ['ENTRYPOINT ["/pause", "--target", "sender"]'])])
    return {"podinit": chosen, "podinit --target sender": sender, bare_pause.name: bare_pause,
            "catatonit -P": candidates.catatonit()}


def readme_has():
    """The effects in README.md's table, by the titles of their columns."""
    lines = itertools.dropwhile(lambda line: not line.startswith(f"| {HEADING}"), README.read_text().splitlines())
    cells = [line.strip("| ").split(" | ") for line in itertools.takewhile(lambda line: line.startswith("|"), lines)]
    return {title: {row[0]: row[n] for row in cells[2:]} for n, title in enumerate(cells[0]) if n}


def assert_readme_has(effects):
    cells = [[HEADING, *effects], ["---"] * (len(effects) + 1)]
    names = next(iter(effects.values()))
    cells += [[name, *(effects[column][name] for column in effects)] for name in names]
    table = "\n".join(f"| {' | '.join(line)} |" for line in cells)
    print(f"\n{table}")
    assert f"\n{table}\n" in README.read_text(), f"the table in README.md is not this one:\n{table}"


@pytest.mark.timeout(900)
def test_readme_says_who_receives_it_in_podman(podman, programs, columns):
    """README.md's table of `kill -HUP 1` is what these pause processes do in a pod of podman."""
    effects, predicted = {}, readme_has()
    for title, candidate in columns.items():
        with InPodman(podman, images.pause(candidate), programs) as pod:
            effects[title] = pod.effects(predicted.get(title, {}))
    assert_readme_has(effects)


@pytest.mark.timeout(900)
def test_readme_says_who_receives_it_in_cri(podman, programs, columns, scratch):
    """README.md's table of `kill -HUP 1` is what these pause processes do in a pod of containerd."""
    require(Containerd.NEEDS, Containerd.MODULES)
    effects, predicted = {}, readme_has()
    for n, (title, candidate) in enumerate(columns.items()):
        with Containerd(scratch / f"meant-{n}", podman, images.pause(candidate)) as containerd:
            with InCri(containerd, programs) as pod:
                effects[title] = pod.effects(predicted.get(title, {}))
    assert_readme_has(effects)
