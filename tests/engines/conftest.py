"""Engines and candidates as fixtures. tests/engines/run starts pytest, in a sandbox."""
import os
import pathlib
import subprocess

import pytest

import candidates
import images
from containerd import Containerd
from docker import Docker
from needs import missing, require
from podman import Podman
from rootless import Rootless

pytest_plugins = ["runs"]
HERE = pathlib.Path(__file__).parent


@pytest.fixture(scope="session")
def scratch(pytestconfig):
    """A directory that the sandbox removes."""
    return pathlib.Path(pytestconfig.option.scratch)


@pytest.fixture(scope="session")
def podinit(pytestconfig):
    """The path of podinit, also where --init or --pause replaces it."""
    return pytestconfig.option.podinit


@pytest.fixture(scope="session")
def tarballs(pytestconfig, scratch, podinit):
    """All images, to be imported."""
    require(images.NEEDS)
    if pytestconfig.option.compare and not missing(["cc"]):
        candidates.compile_pause(scratch)
    made = images.make(scratch / "images", pytestconfig.candidates.all)
    return made + images.make_of_podinit(scratch / "images", podinit)


@pytest.fixture(scope="session")
def podman(pytestconfig, scratch, tarballs):
    require(Podman.NEEDS)
    with Podman(scratch / "podman", pytestconfig.option.runtime) as engine:
        engine.import_images(tarballs)
        yield engine


@pytest.fixture(scope="session")
def s6(scratch, podman, podinit):
    """Has the image with podinit and s6 made, and returns its name."""
    require(images.S6)
    podman.import_images([images.s6(scratch / "s6.tar", podinit)])
    return images.WITH_S6


@pytest.fixture(scope="session")
def bare_pause(pytestconfig, scratch, podman):
    """The candidate that behaves as the pause process of Kubernetes. podman has its image."""
    require(["cc"])
    bare = next(peer for peer in candidates.peers(scratch) if peer.name == "a bare pause")
    if bare not in pytestconfig.candidates.all:
        candidates.compile_pause(scratch)
        file = images.tar(scratch / "bare.tar", {"pause": bare.pause[0]})
        podman.import_images([(images.pause(bare), file, [f"USER {bare.user}", 'ENTRYPOINT ["/pause"]'])])
    return bare


@pytest.fixture(scope="session")
def programs(scratch):
    """The directory of the Go and Java programs, which have to be compiled."""
    require(["go", "javac", "java"])
    directory = scratch / "programs"
    directory.mkdir()
    go = {**os.environ, "CGO_ENABLED": "0", "GO111MODULE": "off", "GOCACHE": str(scratch / "gocache")}
    subprocess.run(["go", "build", "-o", directory / "goserver", HERE / "server.go"], check=True, env=go)
    subprocess.run(["javac", "-d", directory, HERE / "Server.java"], check=True)
    return directory


@pytest.fixture(scope="session")
def rootless(pytestconfig, scratch, tarballs):
    require(Rootless.NEEDS)
    with Rootless(scratch / "rootless", pytestconfig.option.runtime) as engine:
        engine.import_images(tarballs)
        yield engine


@pytest.fixture(scope="session")
def docker(pytestconfig, scratch, tarballs):
    require(Docker.NEEDS)
    with Docker(scratch / "docker", pytestconfig.candidates.chosen.init) as engine:
        engine.import_images(tarballs)
        yield engine


@pytest.fixture(scope="module")
def engine(request):
    """The engine that a test is run on."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def candidate(request, pytestconfig):
    """The candidate under test: podinit or its replacement, and in a comparison each of its peers."""
    candidate = getattr(request, "param", pytestconfig.candidates.chosen)
    require(candidate.needs)
    return candidate


@pytest.fixture(scope="module")
def init(candidate):
    """The path of the candidate's init."""
    return candidate.init


@pytest.fixture(scope="module")
def pause(candidate):
    """The image with the candidate as a pod's PID 1."""
    return images.pause(candidate)


@pytest.fixture(scope="module")
def containerd(scratch, podman, candidate, pause):
    require(Containerd.NEEDS, Containerd.MODULES)
    with Containerd(scratch / podman.name("containerd"), podman, pause) as engine:
        yield engine


@pytest.fixture(scope="session")
def comparison(pytestconfig):
    return pytestconfig.pluginmanager.get_plugin("comparison")
