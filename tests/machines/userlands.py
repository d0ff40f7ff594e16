"""tests/suite in the userland of another Debian, on the kernel of this machine, at its full speed."""
import json
import os
import pathlib
import subprocess
import time

import cache
import cgroups
import results

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parents[1]
# The whole suite takes four minutes where the machine has nothing else to do.
LIMIT = 1800


def sources():
    """The paths of all files of podinit's source."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], check=True,
                            cwd=SOURCE, stdout=subprocess.PIPE, text=True).stdout
    return [SOURCE / name for name in listed.split("\0")[:-1]]


def built(*options, **environment):
    """The suite as one static file, which runs in every userland."""
    command = ["nice", "cargo", "test", "--quiet", "--test", "suite", "--no-run", "--message-format=json", *options]
    done = subprocess.run(command, cwd=SOURCE, stdout=subprocess.PIPE, text=True, env=os.environ | environment)
    if done.returncode:
        raise cache.CannotBeMade("cargo does not compile tests/suite")
    files = [json.loads(line).get("executable") for line in done.stdout.splitlines() if '"name":"suite"' in line]
    return next(file for file in files if file)


class Userland:
    """A Debian's files on the kernel of this machine."""

    def __init__(self, name, suite, skipped=None):
        """`skipped` has the tests that this Debian's programs cannot carry, and why."""
        self.name, self.suite, self.skipped = name, suite, skipped or {}

    def run(self, chosen):
        """Yields the row of the table."""
        tree = cache.tree(self.suite)
        began = time.monotonic()
        namespaces = "--mount --propagation private --cgroup --pid --fork --kill-child=KILL".split()
        command = ["nice", "unshare", *namespaces, "--", HERE / "enter", tree, SOURCE, chosen.podinit, chosen.suite()]
        command += ["/podinit", "--", "/suite", "--color=never", *chosen.tests]
        command += [f"--skip={test}" for test in self.skipped]
        with cgroups.own() as join, open(chosen.log(self.name), "w+") as log:
            try:
                subprocess.run(command, preexec_fn=join, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=LIMIT)
            except subprocess.TimeoutExpired:
                log.write(f"\nnot in {LIMIT} s\n")
            log.seek(0)
            passed, failed, skipped = results.of_suite(log.read())
        skipped += [f"{test}: {why}" for test, why in self.skipped.items()]
        yield results.Row(self.name, os.uname().release, "suite", passed, failed, skipped, time.monotonic() - began)
