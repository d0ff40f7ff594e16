"""How often an exec session that signals PID 1 cannot be placed in its container. A measurement, no test:
`tests/engines/run -s tests/engines/placing.py` takes 20 minutes. PLACING_COUNT sets the number of sessions."""
import contextlib
import os
import subprocess

import pytest

import images
from cri_pod import CriPod
from processes import wait_until_idle
from waiting import wait_until

COUNT = int(os.environ.get("PLACING_COUNT", 1000))
# Writes a byte for each HUP.
COUNTER = "trap 'printf h >>/data/{0}' HUP; touch /data/{0}; while :; do sleep 1000 & wait $!; kill $!; done"
# What an exec session does: its only process exits at once, or lives a moment longer.
SESSIONS = {"exits at once": ["kill", "-HUP", "1"], "lives on": ["sh", "-c", "kill -HUP 1; sleep 0.1"]}


@contextlib.contextmanager
def busy(count):
    loops = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(count)]
    yield
    for loop in loops:
        loop.kill()
        loop.wait()


def measure(what, data, execute):
    """`execute(command)` runs it in the container `a`. If it was not placed, `b` has received the signal too."""
    files = [data / name for name in "ab"]
    for file in files:
        wait_until(file.exists, f"{file.name} handles SIGHUP")

    def sizes():
        return [file.stat().st_size for file in files]

    for loops in (0, 4):
        for title, command in SESSIONS.items():
            before = sizes()
            with busy(loops):
                for n in range(COUNT):
                    execute(command)
                    wait_until(lambda: sizes()[0] - before[0] > n, "the HUP arrives")
            unplaced = sizes()[1] - before[1]
            print(f"\n{what}, {loops} busy loops, {title}: {unplaced} of {COUNT} not placed", flush=True)


@pytest.mark.timeout(3000)
def test_cri(containerd):
    with CriPod(containerd) as pod:
        data = containerd.directory / "placing"
        data.mkdir()
        for name in "ab":
            pod.run(name, "sh", "-c", COUNTER.format(name), data=data)
        measure("CRI", data, lambda command: containerd.call("ExecSync", container_id=pod.containers["a"], cmd=command))


@pytest.mark.timeout(3000)
def test_podman(podman, pause):
    name = podman.name("pod")
    infra = podman.pod(name, pause)
    try:
        data, volume = podman.volume()
        for one in "ab":
            podman("run", "--detach", f"--pod={name}", f"--name={name}-{one}", *podman.confine, volume,
                   images.WORKLOAD, "sh", "-c", COUNTER.format(one))
        wait_until_idle(podman.pid(infra), "pause")
        measure("podman", data, lambda command: podman("exec", f"{name}-a", *command))
    finally:
        podman.attempt("pod", "rm", "--force", "--time=0", name)
