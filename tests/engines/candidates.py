"""Who is put to the test: podinit, and what people use today."""
import pathlib
import shutil
import subprocess
from typing import NamedTuple

HERE = pathlib.Path(__file__).parent
# For the peers.
NEEDS = ("catatonit", "cc", "dumb-init", "tini-static")


class Candidate(NamedTuple):
    """`init` is what an engine's --init is to start, `pause` the command of a pod's PID 1; None if it has no such job.
    `user` is the USER of the pause image."""
    name: str
    init: pathlib.Path | None
    pause: tuple[str, ...] | None
    user: str = "0:0"


def podinit(binary):
    return Candidate("podinit", binary, (str(binary),))


def catatonit():
    return Candidate("catatonit", program("catatonit"), (str(program("catatonit")), "-P"))


def peers(directory):
    """Debian's, and a pause process that does what Kubernetes' own does."""
    pause = directory / "pause"
    subprocess.run(["cc", "-Os", "-static", "-o", str(pause), str(HERE / "pause.c")], check=True)
    return [
        Candidate("tini", program("tini-static"), None),
        Candidate("dumb-init", program("dumb-init"), None),
        catatonit(),
        # The user of Kubernetes' own image.
        Candidate("a bare pause", None, (str(pause),), user="65535:65535"),
    ]


def program(name):
    """Its path, or an OSError that says what is missing."""
    path = shutil.which(name)
    if not path:
        raise FileNotFoundError(f"{name}: not found")
    return pathlib.Path(path).resolve()
