"""A private Docker daemon."""
import subprocess

from engine import Engine
from waiting import WATCHDOG, wait_until


class Docker(Engine):
    NAME = "docker"
    INIT_NAMES = ("docker-init",)
    NEEDS = ("docker", "dockerd", "containerd", "runc")

    def __init__(self, directory, init):
        super().__init__(directory)
        self.socket = f"unix://{directory}/socket"
        self.command = ["docker", "--host", self.socket]
        self.daemon_command = [
            "dockerd", "--host", self.socket, f"--data-root={directory}/data", f"--exec-root={directory}/exec",
            f"--pidfile={directory}/pid", f"--init-path={init}", f"--cgroup-parent={self.cgroup}",
            "--iptables=false", "--bridge=none", "--ip-forward=false",
        ]

    def init_options(self, _):
        """Options of `docker run`. The daemon has the path of the init."""
        return ["--init"]

    def __enter__(self):
        self.log = open(self.directory / "log", "w")
        # In a session of its own: it must outlive a ^C until the containers are removed.
        self.daemon = subprocess.Popen(self.daemon_command, stdout=self.log, stderr=self.log, start_new_session=True)
        wait_until(self.answers, "dockerd")
        return self

    def answers(self):
        if self.daemon.poll() is not None:
            raise AssertionError(f"dockerd: {(self.directory / 'log').read_text()[-500:]}")
        return self.attempt("version").returncode == 0

    def __exit__(self, *_):
        self.daemon.terminate()
        self.daemon.wait(WATCHDOG)
        self.log.close()
