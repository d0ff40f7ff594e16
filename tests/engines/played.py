"""A pod of podman kube play."""
from managed import Managed
from nginx import Nginx


class Played(Managed):
    """The containers are named as in the manifest."""

    def __init__(self, podman, manifest):
        self.podman = podman
        self.manifest = manifest

    def start(self):
        self.podman("kube", "play", "--network=none", str(self.manifest))

    def remove(self):
        # An error here must not hide an earlier one.
        self.podman.attempt("kube", "down", str(self.manifest))

    def full(self, container):
        """The container's name in podman."""
        return f"{self.manifest.stem}-{container}"

    def logs(self, container):
        return self.podman.logs(self.full(container))

    def wait_for(self, container, *texts):
        """Waits until all of `texts` are in the container's log."""
        self.podman.wait_until_ready(self.full(container), lambda: all(text in self.logs(container) for text in texts))

    def attempt(self, container, script):
        return self.podman.attempt("exec", self.full(container), "sh", "-c", script)

    def execute(self, container, script, *options):
        return self.podman("exec", *options, self.full(container), "sh", "-c", script)

    def is_running(self, container):
        return self.podman.inspect(self.full(container), ".State.Running") == "true"

    def pid(self, container):
        """The pid of its main process, in the PID namespace of the tests."""
        return self.podman.pid(self.full(container))

    def nginx(self, master=None):
        return Nginx(master or self.pid("nginx"), lambda: self.logs("nginx"))
