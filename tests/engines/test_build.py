"""The Dockerfile, with a base image made here instead of Debian's, so that nothing is compiled."""
import json
import pathlib
import re

import pytest

import images
from processes import wait_until_idle

pytestmark = pytest.mark.engines("podman", "docker")

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_target_init_runs_a_program(engine):
    """The image that is built without --target has a podinit that runs a program, and prints its help."""
    image = build(engine)
    version = engine("run", "--rm", *engine.confine, image, "/podinit", "--version")
    assert version.split()[0] == "podinit"
    assert engine("run", "--rm", *engine.confine, image, "--help").startswith("Usage: podinit")


def test_target_pause_pauses_and_exits_on_term(engine):
    """--target pause pauses, and exits with 0 on SIGTERM."""
    with engine.container(build(engine, "--target=pause")) as container:
        wait_until_idle(engine.pid(container), "pause")
        engine("stop", "--time=60", container)
        assert engine.exit_code(container) == 0


def build(engine, *target):
    image = engine.name("localhost/built")
    # A cgroup of its own: a build runs in the cgroup that it is given, which must have none below.
    engine("build", f"--build-arg=DEBIAN={images.BUILDER}", *target, f"--tag={image}", "--network=none",
           f"--cgroup-parent={engine.cgroup}/{image.rpartition('/')[2]}", f"--file={ROOT / 'Dockerfile'}", str(ROOT))
    labels = json.loads(engine("inspect", "--format={{json .Config.Labels}}", image))
    # Python has a module for it from 3.11 on.
    package = dict(re.findall('^(version|license) = "(.*)"$', (ROOT / "Cargo.toml").read_text(), re.M))
    assert (labels["org.opencontainers.image.version"], labels["org.opencontainers.image.licenses"]) == \
        (package["version"], package["license"]), "the labels are as Cargo.toml has them"
    # Not started: podman unmounts the files of a container that exits, also while `cp` reads them.
    with engine.created(image) as container:
        licence = engine.directory / engine.name("licence")
        engine("cp", f"{container}:/licenses/LICENSE-MIT", str(licence))
        assert licence.read_bytes() == (ROOT / "LICENSE-MIT").read_bytes()
    return image
