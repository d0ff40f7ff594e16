"""Common to podman and Docker: most of their command line."""
import contextlib
import itertools
import pathlib
import subprocess
import tempfile

from waiting import WATCHDOG, wait_until

FLUSHED_ONCE = "SIGTERM received: 1"


def flushed(volume):
    """What flush.sh wrote to this directory."""
    record = volume / "flushed"
    return record.read_text().strip() if record.exists() else "nothing flushed"


class Engine:
    """A private engine. `self.command` begins its command line, `self.confine` has options for each container."""
    # The Python modules that it needs. NEEDS has the programs.
    MODULES = ()

    def __init__(self, directory):
        directory.mkdir()
        self.directory = directory
        self.numbers = itertools.count(1)
        # The sandbox removes the cgroup of this name.
        self.cgroup = f"/{directory.parent.name}"
        self.confine = ["--network=none", f"--cgroup-parent={self.cgroup}"]

    def __repr__(self):
        return self.NAME

    def attempt(self, *arguments):
        """The completed process, whatever its exit status."""
        return subprocess.run([*self.command, *arguments], capture_output=True, text=True, timeout=WATCHDOG)

    def succeed(self, *arguments):
        done = self.attempt(*arguments)
        if done.returncode != 0:
            # One line: an argument may be a script.
            what = " ".join(" ".join(arguments).split())
            raise AssertionError(f"{self.NAME} {what}: exit status {done.returncode}: {done.stderr.strip()}")
        return done

    def __call__(self, *arguments):
        """The standard output of a call that succeeds."""
        return self.succeed(*arguments).stdout.strip()

    def import_images(self, images):
        for name, tar, changes in images:
            self("import", *(f"--change={change}" for change in changes), str(tar), name)

    def name(self, what):
        """A name that no other container or pod of the engine has."""
        return f"{what}{next(self.numbers)}"

    @contextlib.contextmanager
    def container(self, *arguments):
        """The name of a detached container, which is removed when the block ends."""
        name = self.name("container")
        try:
            self("run", "--detach", f"--name={name}", *self.confine, *arguments)
            yield name
        finally:
            # Without it podman sends SIGTERM first and waits.
            self.attempt("kill", name)
            self.attempt("rm", "--force", name)

    @contextlib.contextmanager
    def created(self, image):
        """The name of a container that is not started, which is removed when the block ends."""
        name = self.name("container")
        self("create", f"--name={name}", *self.confine, image)
        try:
            yield name
        finally:
            self.attempt("rm", "--force", name)

    def volume(self):
        """A new directory to be shared with a container, as /data."""
        directory = tempfile.mkdtemp(dir=self.directory)
        return pathlib.Path(directory), f"--volume={directory}:/data"

    def logs(self, container):
        done = self.succeed("logs", container)
        return done.stdout + done.stderr

    def inspect(self, container, what):
        return self("inspect", "--format={{" + what + "}}", container)

    def pid(self, container):
        """The pid of its main process, in the PID namespace of the tests."""
        return int(self.inspect(container, ".State.Pid"))

    def has_exited(self, container):
        return self.inspect(container, ".State.Status") in ("exited", "stopped", "dead")

    def wait_until_ready(self, container, condition):
        def ready():
            if self.has_exited(container):
                raise AssertionError(f"{container} has exited: {self.logs(container).strip()}")
            return condition()

        wait_until(ready, f"{container} is ready")

    def exit_code(self, container):
        """Waits until the container exits, and returns its exit code."""
        wait_until(lambda: self.has_exited(container), f"{container} has exited")
        return int(self.inspect(container, ".State.ExitCode"))
