"""Debian's systemd as PID 1 under `podinit --as-pid-1`, in a pod with a shared PID namespace, of podman and by the CRI."""
import os
import signal

import pytest

import images
from cri_pod import CriPod
from needs import require
from processes import children
from waiting import wait_until

UNITS = {
    "app.service": """\
[Service]
ExecStart=/bin/sh -c 'echo "up, of $(cat /proc/1/comm)" >/dev/console; exec sleep 1000000'
ExecStopPost=/bin/sh -c 'echo "stopped the app" >/dev/console'
Restart=always
""",
    "multi-user.target.d/app.conf": "[Unit]\nWants=app.service\n",
}
# systemd makes cgroups, keeps its sockets in /run, and stops on SIGRTMIN+3, not on SIGTERM. By `container`, which podman sets,
# it knows that it does not have the machine to halt: that of Debian 11, 247, would wait for it at the end. The last word keeps
# it from mounting a second hierarchy where the cgroups are of version 1: there the container has no cgroup of its own.
SCRIPT = """
mount -o remount,bind,rw /sys/fs/cgroup/systemd 2>/dev/null || mount -o remount,bind,rw /sys/fs/cgroup || exit
mount -t tmpfs tmpfs /run || exit
export container=${container:-oci}
exec /podinit --rewrite TERM:RTMIN+3 --as-pid-1 -- /lib/systemd/systemd --show-status=yes --log-color=no \\
    --unit=multi-user.target systemd.legacy_systemd_cgroup_controller=yes
"""


class Podman:
    def __init__(self, podman, pause):
        self.podman, self.pause, self.name = podman, pause, podman.name("systemd")

    def __enter__(self):
        self.podman.pod(self.name, self.pause)
        # The terminal is systemd's console. Its cgroups are below that of the container.
        self.podman("run", "--detach", f"--pod={self.name}", f"--name={self.name}-app", *self.podman.confine, "--tty",
                    "--cap-add=SYS_ADMIN", "--cgroupns=private", images.WITH_SYSTEMD, "sh", "-c", SCRIPT)
        return self

    def __exit__(self, *_):
        self.podman.attempt("pod", "rm", "--force", "--time=0", self.name)

    def log(self):
        return self.podman.logs(f"{self.name}-app")

    def pid(self):
        return self.podman.pid(f"{self.name}-app")

    def stop(self):
        """The exit code."""
        self.podman("stop", "--time=60", f"{self.name}-app")
        return self.podman.exit_code(f"{self.name}-app")


class Containerd:
    def __init__(self, containerd):
        containerd.import_once(images.WITH_SYSTEMD)
        self.pod = CriPod(containerd)

    def __enter__(self):
        self.pod.__enter__()
        # The CRI has no field for a cgroup namespace where cgroups are of version 1.
        self.pod.run("app", "/bin/unshare", "--cgroup", "sh", "-c", SCRIPT, image=images.WITH_SYSTEMD,
                     terminal=True, context={"capabilities": {"add": ["SYS_ADMIN"]}})
        return self

    def __exit__(self, *_):
        self.pod.__exit__()

    def log(self):
        return self.pod.log("app")

    def pid(self):
        return self.pod.pid("app")

    def stop(self):
        self.pod.stop_container("app")
        return self.pod.exit_code("app")


@pytest.fixture(params=["podman", "containerd"])
def app(request, scratch, podman, podinit, pause):
    """A container of a pod."""
    require([str(images.SYSTEMD / "systemd")])
    podman.import_images([images.systemd(scratch / "systemd.tar", podinit, UNITS)])
    with (Podman(podman, pause) if request.param == "podman"
          else Containerd(request.getfixturevalue("containerd"))) as app:
        yield app
        # pytest shows it where the test has failed.
        print(app.log())


def test_systemd_reaches_a_target_and_supervises_a_service(app):
    """systemd reaches multi-user.target, starts its service again after it was killed, and stops with the container."""
    wait_until(lambda: "Multi-User System" in app.log(), "systemd reaches its target")
    wait_until(lambda: "up, of systemd" in app.log(), "the service is up")
    systemd, = children(app.pid())
    service, = children(systemd)
    os.kill(service, signal.SIGKILL)
    wait_until(lambda: app.log().count("up, of systemd") == 2, "the service is started again")
    assert (app.stop(), app.log().count("stopped the app")) == (0, 2)
