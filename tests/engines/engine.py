"""What podman and Docker have in common: most of their command line."""
import pathlib
import subprocess
import tempfile

from report import WATCHDOG, wait_until


def flushed(volume):
    """What flush.sh wrote down there."""
    record = volume / "flushed"
    return record.read_text().strip() if record.exists() else "nothing flushed"


class Engine:
    """A private engine. `self.command` is how to call it, `self.confine` what each container is to be given."""
    # Of Python's, beside the programs that it NEEDS.
    MODULES = ()

    def __init__(self, directory):
        directory.mkdir()
        self.directory = directory
        # The sandbox removes the cgroup of this name.
        self.cgroup = f"/{directory.parent.name}"
        self.confine = ["--network=none", f"--cgroup-parent={self.cgroup}"]

    def attempt(self, *arguments):
        return subprocess.run([*self.command, *arguments], capture_output=True, text=True, timeout=WATCHDOG)

    def __call__(self, *arguments):
        done = self.attempt(*arguments)
        done.check_returncode()
        return done.stdout.strip()

    def import_images(self, images):
        for name, tar, changes in images:
            self("import", *(f"--change={change}" for change in changes), str(tar), name)

    def volume(self):
        """A new directory to be shared with a container, as /data."""
        directory = tempfile.mkdtemp(dir=self.directory)
        return pathlib.Path(directory), f"--volume={directory}:/data"

    def logs(self, container):
        done = self.attempt("logs", container)
        done.check_returncode()
        return done.stdout + done.stderr

    def inspect(self, container, what):
        return self("inspect", "--format={{" + what + "}}", container)

    def ended(self, container):
        return self.inspect(container, ".State.Status") in ("exited", "stopped", "dead")

    def wait_until_ready(self, container, condition):
        def ready():
            if self.ended(container):
                raise AssertionError(f"{container} has ended: {self.logs(container).strip()}")
            return condition()

        wait_until(ready, f"{container} is ready")

    def exit_code(self, container):
        """Of a container that ends."""
        wait_until(lambda: self.ended(container), f"the end of {container}")
        return int(self.inspect(container, ".State.ExitCode"))
