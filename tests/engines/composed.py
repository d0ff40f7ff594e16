"""The containers that docker-compose makes of a file."""
import json
import subprocess

import scripts
from managed import Managed
from nginx import Nginx
from waiting import WATCHDOG

NEEDS = ("docker-compose",)


class Composed(Managed):
    """The containers are named as the services of the file."""

    def __init__(self, docker, file):
        self.docker = docker
        self.project = docker.name("composed")
        # docker-compose 2 has no --host.
        self.command = ["env", f"DOCKER_HOST={docker.socket}", "docker-compose", f"--project-name={self.project}"]
        self.command += [f"--file={file}"]
        # The private Docker has no network, and docker-compose no option for the parent of the cgroups.
        confined = {"network_mode": "none", "cgroup_parent": docker.cgroup}
        services = {service: confined for service in self("config", "--services").split()}
        override = docker.directory / self.project
        # JSON is YAML.
        override.write_text(json.dumps({"services": services}))
        self.command.append(f"--file={override}")

    def start(self):
        self("up", "--detach")

    def remove(self):
        # An error here must not hide an earlier one.
        for action in ("kill", "down"):
            self.attempt(action)

    def attempt(self, *arguments):
        return subprocess.run([*self.command, *arguments], capture_output=True, text=True, timeout=WATCHDOG)

    def __call__(self, *arguments):
        done = self.attempt(*arguments)
        if done.returncode != 0:
            raise AssertionError(f"docker-compose {' '.join(arguments)}: exit status {done.returncode}: {done.stderr}")
        return done.stdout.strip()

    def id(self, service):
        """The container's id in Docker."""
        labels = {"project": self.project, "service": service}
        filters = [f"--filter=label=com.docker.compose.{label}={value}" for label, value in labels.items()]
        return self.docker("ps", "--all", "--quiet", *filters)

    def execute(self, service, script):
        return self.docker("exec", self.id(service), "sh", "-c", script)

    def pid(self, service):
        return self.docker.pid(self.id(service))

    def nginx(self):
        return Nginx(self.pid("nginx"), lambda: self.docker.logs(self.id("nginx")))

    def effect_of_hup_from(self, service):
        """Sends PID 1 a HUP from within a container, and returns what nginx did."""
        return self.nginx().effect_of(lambda hup: self.execute(service, hup))

    def settle(self):
        """Waits until PID 1 has handled all earlier signals."""
        self.execute("sidecar", scripts.SETTLED)

    def exit_codes(self, *services):
        """Waits until each has exited."""
        return [self.docker.exit_code(self.id(service)) for service in services]

    def finished_at(self, service):
        """In a form that can be compared."""
        return self.docker.inspect(self.id(service), ".State.FinishedAt")
