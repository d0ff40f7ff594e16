"""A pod with a shared PID namespace, as kubelet makes one: RuntimeDefault seccomp, no new privileges, and a read-only
root for the pause process."""
import json
import pathlib
import tempfile

import images
from report import expect, wait_until


class CriPod:
    def __init__(self, containerd, user=None):
        self.containerd = containerd
        self.messages = containerd.messages
        self.run_as_user = None if user is None else {"value": user}
        self.logs = pathlib.Path(tempfile.mkdtemp(dir=containerd.directory))
        # kubelet shares the network by way of CNI, which has no part in this.
        self.namespaces = {"network": self.messages.NODE, "pid": self.messages.POD}
        self.seccomp = {"profile_type": self.messages.SecurityProfile.RuntimeDefault}
        self.config = {
            "metadata": {"name": "pod", "uid": self.logs.name, "namespace": "tests"},
            "log_directory": str(self.logs),
            "linux": {
                "cgroup_parent": f"{containerd.cgroup}/{self.logs.name}",
                "security_context": {
                    "namespace_options": self.namespaces,
                    "run_as_user": self.run_as_user,
                    "readonly_rootfs": True,
                    "seccomp": self.seccomp,
                },
            },
        }
        self.containers = {}

    def __enter__(self):
        self.id = self.containerd.call("RunPodSandbox", config=self.config).pod_sandbox_id
        return self

    def __exit__(self, *_):
        self.containerd.call("StopPodSandbox", pod_sandbox_id=self.id)
        self.containerd.call("RemovePodSandbox", pod_sandbox_id=self.id)

    def run(self, name, *command, data=None):
        """Starts a container, with the directory `data` as its /data."""
        config = {
            "metadata": {"name": name},
            "image": {"image": images.WORKLOAD},
            "command": command,
            "mounts": [{"container_path": "/data", "host_path": str(data)}] if data else [],
            "log_path": name,
            "linux": {
                "security_context": {
                    "namespace_options": self.namespaces,
                    "run_as_user": self.run_as_user,
                    "no_new_privs": True,
                    "seccomp": self.seccomp,
                },
            },
        }
        created = self.containerd.call("CreateContainer", pod_sandbox_id=self.id, config=config,
                                       sandbox_config=self.config)
        self.containers[name] = created.container_id
        self.containerd.call("StartContainer", container_id=created.container_id)

    def flush(self):
        """Starts the container that needs 2 s to flush, and returns where it flushes to."""
        data = pathlib.Path(tempfile.mkdtemp(dir=self.containerd.directory))
        # Whatever user it is to run as.
        data.chmod(0o777)
        self.run("flush", "flush.sh", "/data", data=data)
        wait_until((data / "ready").exists, "flush.sh is ready")
        return data

    def execute(self, name, script):
        done = self.containerd.call("ExecSync", container_id=self.containers[name], cmd=["sh", "-c", script])
        expect((done.exit_code, done.stderr), (0, b""), f"{script.strip()!r}: exit code and stderr")
        return done.stdout.decode()

    def log(self, name):
        return (self.logs / name).read_text()

    def status(self, name):
        return self.containerd.call("ContainerStatus", container_id=self.containers[name], verbose=True)

    def pid(self, name):
        return json.loads(self.status(name).info["info"])["pid"]

    def runs(self, name):
        return self.status(name).status.state == self.messages.CONTAINER_RUNNING

    def exit_code(self, name):
        wait_until(lambda: not self.runs(name), f"the end of {name}")
        return self.status(name).status.exit_code

    def stop_container(self, name):
        self.containerd.call("StopContainer", container_id=self.containers[name], timeout=60)

    def stop(self):
        self.containerd.call("StopPodSandbox", pod_sandbox_id=self.id)

    def sandbox(self):
        return self.containerd.call("PodSandboxStatus", pod_sandbox_id=self.id, verbose=True)

    def pause_pid(self):
        return json.loads(self.sandbox().info["info"])["pid"]

    def ready(self):
        return self.sandbox().status.state == self.messages.SANDBOX_READY
