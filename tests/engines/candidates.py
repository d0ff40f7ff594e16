"""The candidates: podinit, and its peers."""
from __future__ import annotations

import pathlib
import shlex
import shutil
import subprocess
from typing import NamedTuple

PAUSE_C = pathlib.Path(__file__).with_name("pause.c")


class Candidate(NamedTuple):
    """`init` is the init for an engine's --init, `pause` the command of a pod's PID 1; None if the candidate has no such
    job. `user` is the USER of the pause image, `needs` has the programs that must be installed."""
    name: str
    init: str | None
    pause: tuple[str, ...] | None
    user: str = "0:0"
    needs: tuple[str, ...] = ()

    def has(self, job):
        return getattr(self, job) is not None


def chosen(podinit, init, pause):
    """The candidate of the command line. `init` and `pause` replace podinit."""
    return Candidate("podinit", init or podinit, tuple(shlex.split(pause)) if pause else (podinit,))


def catatonit():
    path = which("catatonit")
    return Candidate("catatonit", path, (path, "-P"), needs=("catatonit",))


def peers(directory):
    """Debian's inits, and a pause process that behaves as that of Kubernetes, which compile_pause() makes."""
    return [
        Candidate("tini", which("tini-static"), None, needs=("tini-static",)),
        Candidate("dumb-init", which("dumb-init"), None, needs=("dumb-init",)),
        catatonit(),
        # The user of Kubernetes' own image.
        Candidate("a bare pause", None, (str(directory / "pause"),), user="65535:65535", needs=("cc",)),
    ]


def which(program):
    """The path of a program, or its name if it is not installed: then its tests are skipped."""
    return shutil.which(program) or program


def compile_pause(directory):
    subprocess.run(["cc", "-Os", "-static", "-o", str(directory / "pause"), str(PAUSE_C)], check=True)
