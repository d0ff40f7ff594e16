"""The options of tests/engines/run beside pytest's own."""
import argparse
import os
import pathlib
import shlex
import shutil


def add_to(add):
    """`add` is argparse's add_argument or pytest's addoption."""
    add("--init", metavar="BINARY", type=executable, help="another init in podinit's place")
    add("--pause", metavar="COMMAND", type=command,
        help="another pause process in podinit's place, with its arguments: --pause 'catatonit -P'")
    add("--runtime", default="runc",
        help="podman's runtime; default: runc, which takes cgroups of either version")
    add("--compare", action="store_true",
        help="podinit beside its peers: prints README.md's table, and fails if README.md has another one")


def executable(word):
    """The absolute path of a program, given by its path or by a name in PATH."""
    path = shutil.which(word, path=f"{os.environ['PATH']}:.")
    if not path:
        raise argparse.ArgumentTypeError(f"{word}: not found, or not executable")
    return os.path.abspath(path)


def command(line):
    first, *arguments = shlex.split(line)
    return shlex.join([str(pathlib.Path(executable(first)).resolve()), *arguments])
