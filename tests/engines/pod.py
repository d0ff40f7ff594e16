"""A podman pod with a shared PID namespace: nginx, a sidecar that sleeps and has an exec session, and a container
that takes 2 s to flush."""
import pathlib
import subprocess

import images
from engine import flushed
from report import wait_until

# PID 1 has dealt with HUP once it has reaped an orphan made afterwards: of two pending signals the lower is delivered
# first.
HUP = """
kill -HUP 1
orphan=$( (sleep 0.1 >/dev/null & echo $!) )
while [ -d /proc/$orphan ]; do sleep 0.05; done
"""


class Pod:
    RELOADED = "reloaded once, by the same master"

    def __init__(self, podman, infra_image):
        self.podman = podman
        self.infra_image = infra_image
        self.hups = 0

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
        self.master = self.podman.inspect("nginx", ".State.Pid")
        wait_until(self.workers, "nginx's workers")
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

    def workers(self):
        """The pids of nginx's workers once all are there, and no older ones."""
        workers = pathlib.Path(f"/proc/{self.master}/task/{self.master}/children").read_text().split()
        return set(workers) if len(workers) == images.NGINX_WORKERS else None

    def reload_from(self, container):
        """Sends PID 1 a HUP from within `container`, and returns what nginx made of it."""
        before = wait_until(self.workers, "nginx's workers")
        self.podman("exec", container, "sh", "-c", HUP)
        self.wait_for_nginx()
        hups, self.hups = self.hups, self.podman.logs("nginx").count("(SIGHUP) received")
        if self.hups - hups != 1:
            return f"{self.hups - hups} reloads"
        wait_until(lambda: (self.workers() or before).isdisjoint(before), "new workers")
        if self.podman.inspect("nginx", ".State.Pid") != self.master:
            return "another master"
        return self.RELOADED

    def wait_for_nginx(self):
        """Until it has dealt with all that it was sent before: then it answers a USR1."""
        status = pathlib.Path(f"/proc/{self.master}/status").read_text()
        pid = status.partition("NSpid:")[2].split("\n")[0].split()[-1]
        answer = f" {pid}#{pid}: reopening logs"
        before = self.podman.logs("nginx").count(answer)
        self.podman("kill", "--signal=USR1", "nginx")
        wait_until(lambda: self.podman.logs("nginx").count(answer) > before, "nginx's answer")

    def spared(self):
        """Whether the sidecar and the exec session live."""
        return self.podman.inspect("sidecar", ".State.Running") == "true" and self.session_answers()

    def session_answers(self):
        self.session.stdin.write("echo alive\n")
        self.session.stdin.flush()
        return self.session.stdout.readline() == "alive\n"

    def stop(self):
        self.podman("pod", "stop", "--time=30", "pod")
        self.session.communicate()

    def flushed(self):
        """How the container that flushes ended."""
        return f"exit code {self.exit_code('flush')}, {flushed(self.data)}"

    def exit_code(self, container):
        return self.podman.exit_code(container)
