"""A Docker daemon of our own."""
import subprocess

from engine import Engine
from report import wait_until


class Docker(Engine):
    NAME = "docker"
    INIT_NAME = "docker-init"
    NEEDS = ("docker", "dockerd", "containerd")

    def __init__(self, directory, init):
        super().__init__(directory)
        self.init = ["--init"]
        socket = f"unix://{directory}/socket"
        self.command = ["docker", "--host", socket]
        self.daemon = [
            "dockerd", "--host", socket, f"--data-root={directory}/data", f"--exec-root={directory}/exec",
            f"--pidfile={directory}/pid", f"--init-path={init}", f"--cgroup-parent={self.cgroup}",
            "--iptables=false", "--bridge=none", "--ip-forward=false",
        ]

    def __enter__(self):
        self.log = open(self.directory / "log", "w")
        self.daemon = subprocess.Popen(self.daemon, stdout=self.log, stderr=self.log)
        wait_until(self.answers, "dockerd")
        return self

    def answers(self):
        if self.daemon.poll() is not None:
            raise OSError(f"dockerd: {(self.directory / 'log').read_text()[-500:]}")
        return self.attempt("version").returncode == 0

    def __exit__(self, *_):
        self.daemon.terminate()
        self.daemon.wait()
        self.log.close()
