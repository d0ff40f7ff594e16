"""A podman pod with a shared PID namespace: nginx, a sidecar that sleeps and has an exec session, and a container
that needs 2 s to flush."""
import subprocess

import images
from engine import flushed
from managed import Managed
from nginx import Nginx
from processes import wait_until_idle


class Pod(Managed):
    CONTAINERS = ("nginx", "sidecar", "flush")

    def __init__(self, podman, infra_image):
        self.podman = podman
        self.infra_image = infra_image
        self.name = podman.name("pod")
        self.session = None

    def start(self):
        self.infra = self.podman.pod(self.name, self.infra_image)
        self.data, volume = self.podman.volume()
        self.run("nginx", "nginx", "-g", "daemon off;")
        wait_until_idle(self.podman.pid(self.infra), "pause", "catatonit")
        self.run("sidecar", "sleep", "1000000")
        self.run("flush", "flush.sh", "/data", options=[volume])
        self.podman.wait_until_ready(self.full("flush"), (self.data / "ready").exists)
        self.nginx = Nginx(self.podman.pid(self.full("nginx")), lambda: self.podman.logs(self.full("nginx")))
        # It runs as long as the pod.
        self.session = subprocess.Popen(
            [*self.podman.command, "exec", "--interactive", self.full("sidecar"), "sh"],
            text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )
        self.session_answers()

    def full(self, container):
        """The container's name in podman, or its id."""
        return self.infra if container == "infra" else f"{self.name}-{container}"

    def run(self, name, *command, options=()):
        self.podman("run", "--detach", f"--pod={self.name}", f"--name={self.full(name)}", *self.podman.confine,
                    *options, images.WORKLOAD, *command)

    def remove(self):
        # First the exec session: podman 5.8 removes no container that has one.
        if self.session:
            self.session.communicate()
        self.podman.attempt("pod", "rm", "--force", "--time=0", self.name)

    def execute(self, container, script):
        return self.podman("exec", self.full(container), "sh", "-c", script)

    def effect_of_hup_from(self, container):
        """Sends PID 1 a HUP from within `container`, and returns what nginx did."""
        return self.nginx.effect_of(lambda script: self.execute(container, script))

    def is_running(self, container):
        return self.podman.inspect(self.full(container), ".State.Running") == "true"

    def session_answers(self):
        try:
            self.session.stdin.write("echo alive\n")
            self.session.stdin.flush()
        except BrokenPipeError:
            return False
        return self.session.stdout.readline() == "alive\n"

    def stop(self):
        self.podman("pod", "stop", "--time=30", self.name)

    def terminate(self, container):
        """Not by podman stop, which fails while there is an exec session."""
        self.podman("kill", "--signal=TERM", self.full(container))

    def start_flush_again(self):
        """Starts the container that flushes once more, in the cgroup that it had."""
        for record in ("ready", "flushed"):
            (self.data / record).unlink()
        self.podman("start", self.full("flush"))
        self.podman.wait_until_ready(self.full("flush"), (self.data / "ready").exists)

    def exit_code(self, container):
        return self.podman.exit_code(self.full(container))

    def flushed(self):
        """Exit code and record of the container that flushes."""
        return self.exit_code("flush"), flushed(self.data)
