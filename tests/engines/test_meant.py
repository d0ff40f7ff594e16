"""Which programs receive `kill -HUP 1` from which container of a podman pod: README.md's table."""
import os
import pathlib
import shutil
import subprocess
import time

import pytest

import candidates
import images
import scripts
from compare import README
from needs import require
from processes import status, wait_until_idle
from waiting import wait_until

HERE = pathlib.Path(__file__).parent
# The image has no Java, Python and bash: these are the host's.
HOST = [f"--volume={os.path.realpath(path)}:{path}:ro" for path in ("/usr", "/lib", "/lib64")]
# A Java VM takes a moment to exit.
PATIENCE = 2
SLEEP = "a program without a handler"


class Programs:
    """A pod with each program in a container of its own."""

    def __init__(self, podman, pause, directory):
        self.podman = podman
        self.name = podman.name("meant")
        self.pause = pause
        self.commands = {
            "nginx": ["nginx", "-g", "daemon off;"],
            "Go": [f"{directory}/goserver"],
            "Java": [os.path.realpath(shutil.which("java")), "-cp", str(directory), "Server"],
            "bash -i": ["/usr/bin/bash", "--norc", "-i"],
            "Python": ["/usr/bin/python3", f"{HERE}/handler.py"],
            SLEEP: ["sleep", "1000000"],
        }
        self.options = [*HOST, *(f"--volume={path}:{path}:ro" for path in (directory, HERE))]
        self.options += [f"--volume={path}:{path}:ro" for path in pathlib.Path("/etc").glob("java*")]

    def __enter__(self):
        self.podman("pod", "create", f"--name={self.name}", f"--infra-name={self.name}-infra",
                    f"--infra-image={self.pause}", "--share=pid,ipc,uts", *self.podman.confine)
        for n, (name, command) in enumerate(self.commands.items()):
            options = [] if name == "nginx" else self.options
            terminal = ["--interactive", "--tty"] if name.startswith("bash") else []
            self.podman("run", "--detach", f"--pod={self.name}", f"--name={self.full(name)}", *self.podman.confine,
                        *options, *terminal, images.WORKLOAD, *command)
            if n == 0:
                wait_until_idle(self.podman.pid(f"{self.name}-infra"), "pause", "catatonit")
        return self

    def __exit__(self, *_):
        self.podman.attempt("pod", "rm", "--force", "--time=0", self.name)

    def full(self, name):
        return f"{self.name}-{list(self.commands).index(name)}"

    def is_ready(self, name):
        return name == SLEEP or int(status(self.podman.pid(self.full(name)))["SigCgt"], 16) & 1

    def received(self, name):
        return self.podman.logs(self.full(name)).count("(SIGHUP) received")

    def effect_from(self, sender):
        """Who receives `kill -HUP 1` from this container, as text."""
        for name in self.commands:
            if self.podman.has_exited(self.full(name)):
                self.podman("start", self.full(name))
            wait_until(lambda: self.is_ready(name), f"{name} handles SIGHUP")
        before = {name: self.received(name) for name in self.commands}
        self.podman("exec", self.full(sender), "/bin/sh", "-c", scripts.HUP)
        time.sleep(PATIENCE)
        ended = [name for name in self.commands if self.podman.has_exited(self.full(name))]
        handled = [name for name in self.commands if self.received(name) > before[name]]
        return ", ".join([*handled, *(f"{name} (exits)" for name in ended)]) or "none"


@pytest.fixture(scope="module")
def programs(scratch):
    """The directory of the programs that have to be compiled."""
    require(["go", "javac", "java", "bash", "cc", "catatonit"])
    directory = scratch / "programs"
    directory.mkdir()
    go = {**os.environ, "CGO_ENABLED": "0", "GO111MODULE": "off", "GOCACHE": str(scratch / "gocache")}
    subprocess.run(["go", "build", "-o", directory / "goserver", HERE / "server.go"], check=True, env=go)
    subprocess.run(["javac", "-d", directory, HERE / "Server.java"], check=True)
    return directory


@pytest.mark.timeout(900)
def test_readme_says_who_receives_it(pytestconfig, podman, programs, scratch):
    """README.md's table of `kill -HUP 1` is what these pause processes do."""
    if pytestconfig.option.pause:
        pytest.skip("podinit is not the pause process")
    chosen = pytestconfig.candidates.chosen
    sender = candidates.Candidate("podinit --target sender", None, (*chosen.pause, "--target", "sender"))
    file = images.tar(scratch / "sender.tar", {"pause": chosen.pause[0]})
    podman.import_images([(images.pause(sender), file, ['ENTRYPOINT ["/pause", "--target", "sender"]'])])
    bare = next(peer for peer in candidates.peers(scratch) if peer.name == "a bare pause")
    if bare not in pytestconfig.candidates.all:
        candidates.compile_pause(scratch)
        file = images.tar(scratch / "bare.tar", {"pause": bare.pause[0]})
        podman.import_images([(images.pause(bare), file, [f"USER {bare.user}", 'ENTRYPOINT ["/pause"]'])])
    columns = {"podinit": chosen, sender.name: sender, bare.name: bare,
               "catatonit -P": candidates.catatonit()}
    effects = {}
    for title, candidate in columns.items():
        with Programs(podman, images.pause(candidate), programs) as pod:
            effects[title] = {name: pod.effect_from(name) for name in pod.commands}
            names = list(pod.commands)
    cells = [["`kill -HUP 1` from the container of", *effects], ["---"] * (len(effects) + 1)]
    cells += [[name, *(effects[column][name] for column in effects)] for name in names]
    table = "\n".join(f"| {' | '.join(line)} |" for line in cells)
    print(f"\n{table}")
    assert f"\n{table}\n" in README.read_text(), f"the table in README.md is not this one:\n{table}"
