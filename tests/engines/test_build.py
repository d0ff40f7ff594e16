"""The Dockerfile, with a builder image made here instead of one with cargo."""
import pathlib

import pytest

import images
from processes import wait_until_idle

pytestmark = pytest.mark.engines("podman", "docker")

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_target_init_runs_a_program(engine):
    """--target init has a podinit that runs a program."""
    image = build(engine, "init")
    version = engine("run", "--rm", *engine.confine, image, "/podinit", "--version")
    assert version.split()[0] == "podinit"


def test_target_pause_pauses_and_exits_on_term(engine):
    """--target pause pauses, and exits with 0 on SIGTERM."""
    with engine.container(build(engine, "pause")) as container:
        wait_until_idle(engine.pid(container), "pause")
        engine("stop", "--time=60", container)
        assert engine.exit_code(container) == 0


def build(engine, target):
    image = f"localhost/built-{target}"
    # A cgroup of its own: a build runs in the cgroup that it is given, which must have none below.
    engine("build", f"--build-arg=BUILDER={images.BUILDER}", f"--target={target}", f"--tag={image}",
           "--network=none", f"--cgroup-parent={engine.cgroup}/build-{target}", f"--file={ROOT / 'Dockerfile'}",
           str(ROOT))
    return image
