"""A podman pod with a shared PID namespace: nginx, a sidecar that sleeps and has an exec session, and a container
that takes 2 s to flush."""
import subprocess

import images
from engine import flushed
from nginx import Nginx


class Pod:
    def __init__(self, podman, infra_image):
        self.podman = podman
        self.infra_image = infra_image
        self.session = None

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.remove()
            raise
        return self

    def start(self):
        self.podman("pod", "create", "--name=pod", "--infra-name=infra", f"--infra-image={self.infra_image}",
                    "--share=pid,ipc,uts", *self.podman.confine)
        self.data, volume = self.podman.volume()
        self.run("nginx", "nginx", "-g", "daemon off;")
        self.run("sidecar", "sleep", "1000000")
        self.run("flush", "flush.sh", "/data", options=[volume])
        self.podman.wait_until_ready("flush", (self.data / "ready").exists)
        self.nginx = Nginx(self.podman.inspect("nginx", ".State.Pid"), lambda: self.podman.logs("nginx"))
        # It goes on while the test does.
        self.session = subprocess.Popen([*self.podman.command, "exec", "--interactive", "sidecar", "sh"], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.session_answers()

    def run(self, name, *command, options=()):
        self.podman("run", "--detach", "--pod=pod", f"--name={name}", *self.podman.confine, *options,
                    images.WORKLOAD, *command)

    def __exit__(self, *_):
        self.remove()

    def remove(self):
        self.podman.attempt("pod", "rm", "--force", "--time=0", "pod")
        if self.session:
            self.session.communicate()

    def reload_from(self, container):
        """Sends PID 1 a HUP from within `container`, and returns what nginx made of it."""
        return self.nginx.told_by(lambda script: self.podman("exec", container, "sh", "-c", script))

    def spared(self):
        """Whether the sidecar and the exec session live."""
        return self.podman.inspect("sidecar", ".State.Running") == "true" and self.session_answers()

    def session_answers(self):
        try:
            self.session.stdin.write("echo alive\n")
            self.session.stdin.flush()
        except BrokenPipeError:
            return False
        return self.session.stdout.readline() == "alive\n"

    def stop(self):
        self.podman("pod", "stop", "--time=30", "pod")

    def flushed(self):
        """How the container that flushes ended."""
        return f"exit code {self.exit_code('flush')}, {flushed(self.data)}"

    def exit_code(self, container):
        return self.podman.exit_code(container)
