"""A pod with a shared PID namespace, as kubelet makes one: RuntimeDefault seccomp, no new privileges, and a read-only
root for the pause process."""
import json
import pathlib
import tempfile

import images
from nginx import Nginx
from processes import wait_until_idle
from waiting import wait_until

# What kubelet has masked and made read-only, unless the manifest says procMount: Unmasked.
MASKED = ["/proc/asound", "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
          "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware"]
READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
RESTRICTED = {"allowPrivilegeEscalation": False}


class CriPod:
    def __init__(self, containerd, user=None):
        self.containerd = containerd
        self.messages = containerd.messages
        self.run_as_user = None if user is None else {"value": user}
        self.logs = pathlib.Path(tempfile.mkdtemp(dir=containerd.directory))
        # kubelet sets up the network by CNI, which these tests do not need.
        self.namespaces = {"network": self.messages.NODE, "pid": self.messages.POD}
        self.config = {
            "metadata": {"name": "pod", "uid": self.logs.name, "namespace": "tests"},
            "log_directory": str(self.logs),
            "linux": {
                "cgroup_parent": f"{containerd.cgroup}/{self.logs.name}",
                "security_context": {
                    "namespace_options": self.namespaces,
                    "run_as_user": self.run_as_user,
                    "readonly_rootfs": True,
                    **self.seccomp("RuntimeDefault"),
                },
            },
        }
        self.containers = {}

    def __enter__(self):
        self.id = self.containerd.call("RunPodSandbox", config=self.config).pod_sandbox_id
        wait_until_idle(self.pause_pid(), "pause")
        return self

    def __exit__(self, *_):
        self.containerd.call("StopPodSandbox", pod_sandbox_id=self.id)
        self.containerd.call("RemovePodSandbox", pod_sandbox_id=self.id)

    def seccomp(self, profile):
        """The path is for containerd 1.4, which does not have the other field."""
        path = {"RuntimeDefault": "runtime/default", "Unconfined": "unconfined"}[profile]
        return {"seccomp": {"profile_type": profile}, "seccomp_profile_path": path}

    def security(self, context):
        """What kubelet makes of the securityContext in a container's manifest. The pod's has seccomp's RuntimeDefault."""
        has_masks = context.get("procMount") != "Unmasked"
        user = context.get("runAsUser")
        capabilities = context.get("capabilities", {})
        return {
            "namespace_options": self.namespaces,
            "capabilities": {f"{action}_capabilities": names for action, names in capabilities.items()},
            "run_as_user": self.run_as_user if user is None else {"value": user},
            "readonly_rootfs": context.get("readOnlyRootFilesystem", False),
            "no_new_privs": context.get("allowPrivilegeEscalation") is False,
            "masked_paths": MASKED if has_masks else [],
            "readonly_paths": READ_ONLY if has_masks else [],
            **self.seccomp(context.get("seccompProfile", {}).get("type", "RuntimeDefault")),
        }

    def run(self, name, *command, image=images.WORKLOAD, context=RESTRICTED, data=None, read_only=None, more_mounts=(),
            memory=0, terminal=False, target=None):
        """Starts a container, with the directory `data` as its /data, and host paths by the path that they have there.
        `context` is the securityContext of its manifest, `memory` its limit in bytes, 0 for none. `target` is the container
        of `kubectl debug --target`."""
        mounts = [{"container_path": path, "host_path": str(host), "readonly": True}
                  for path, host in (read_only or {}).items()]
        mounts += more_mounts
        security = self.security(context)
        if target:
            security["namespace_options"] = {**self.namespaces, "pid": self.messages.TARGET,
                                             "target_id": self.containers[target]}
        config = {
            "metadata": {"name": name},
            "image": {"image": image},
            "command": command,
            "mounts": mounts + ([{"container_path": "/data", "host_path": str(data)}] if data else []),
            "log_path": name,
            "stdin": terminal,
            "tty": terminal,
            "linux": {"resources": {"memory_limit_in_bytes": memory}, "security_context": security},
        }
        created = self.containerd.call("CreateContainer", pod_sandbox_id=self.id, config=config,
                                       sandbox_config=self.config)
        self.containers[name] = created.container_id
        self.containerd.call("StartContainer", container_id=created.container_id)

    def remove(self, name):
        """Removes a container that has exited."""
        self.containerd.call("RemoveContainer", container_id=self.containers.pop(name))

    def run_nginx(self):
        self.run("nginx", "nginx", "-g", "daemon off;")
        self.nginx = Nginx(self.pid("nginx"), lambda: self.log("nginx"))

    def run_sidecar(self):
        self.run("sidecar", "sleep", "1000000")

    def run_flush(self):
        """Starts the container that needs 2 s to flush, and returns the directory that it writes to."""
        data = pathlib.Path(tempfile.mkdtemp(dir=self.containerd.directory))
        # It may run as any user.
        data.chmod(0o777)
        self.run("flush", "flush.sh", "/data", data=data)
        wait_until((data / "ready").exists, "flush.sh is ready")
        return data

    def attempt(self, name, *command):
        """What `kubectl exec` does. `exit_code`, `stdout` and `stderr` are in what it returns."""
        return self.containerd.call("ExecSync", container_id=self.containers[name], cmd=command)

    def execute(self, name, script):
        done = self.attempt(name, "sh", "-c", script)
        if (done.exit_code, done.stderr) != (0, b""):
            raise AssertionError(f"{name}: {script.strip()}: exit code {done.exit_code}: {done.stderr.decode()}")
        return done.stdout.decode()

    def effect_of_hup_from(self, name):
        """Sends PID 1 a HUP from within a container, and returns what nginx did."""
        return self.nginx.effect_of(lambda script: self.execute(name, script))

    def log(self, name):
        return (self.logs / name).read_text()

    def status(self, name):
        return self.containerd.call("ContainerStatus", container_id=self.containers[name], verbose=True)

    def pid(self, name):
        return json.loads(self.status(name).info["info"])["pid"]

    def is_running(self, name):
        return self.status(name).status.state == self.messages.CONTAINER_RUNNING

    def exit_code(self, name):
        wait_until(lambda: not self.is_running(name), f"the exit of {name}")
        return self.status(name).status.exit_code

    def stop_container(self, name):
        self.containerd.call("StopContainer", container_id=self.containers[name], timeout=60)

    def stop(self):
        self.containerd.call("StopPodSandbox", pod_sandbox_id=self.id)

    def sandbox(self, verbose):
        return self.containerd.call("PodSandboxStatus", pod_sandbox_id=self.id, verbose=verbose)

    def pause_pid(self):
        return json.loads(self.sandbox(verbose=True).info["info"])["pid"]

    def is_ready(self):
        # containerd 1.4 has no verbose answer once the pause process has exited.
        return self.sandbox(verbose=False).status.state == self.messages.SANDBOX_READY
