"""Debian's systemd as PID 1 under `podinit --as-pid-1`, in a podman pod with a shared PID namespace."""
import os
import signal

import pytest

import images
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
# systemd makes cgroups, keeps its sockets in /run, and stops on SIGRTMIN+3, not on SIGTERM. The last word keeps it from
# mounting a second hierarchy where the cgroups are of version 1: there the container has no cgroup of its own.
SCRIPT = """
mount -o remount,bind,rw /sys/fs/cgroup/systemd 2>/dev/null || mount -o remount,bind,rw /sys/fs/cgroup || exit
mount -t tmpfs tmpfs /run || exit
exec /podinit --rewrite TERM:RTMIN+3 --as-pid-1 -- /lib/systemd/systemd --show-status=yes --log-color=no \\
    --unit=multi-user.target systemd.legacy_systemd_cgroup_controller=yes
"""


@pytest.fixture
def app(scratch, podman, podinit, pause):
    """The name of a container of a pod."""
    require([str(images.SYSTEMD / "systemd")])
    podman.import_images([images.systemd(scratch / "systemd.tar", podinit, UNITS)])
    pod = podman.name("systemd")
    podman("pod", "create", f"--name={pod}", f"--infra-image={pause}", "--share=pid,ipc,uts", *podman.confine)
    try:
        # The terminal is systemd's console. Its cgroups are below that of the container.
        podman("run", "--detach", f"--pod={pod}", f"--name={pod}-app", *podman.confine, "--tty", "--cap-add=SYS_ADMIN",
               "--cgroupns=private", images.WITH_SYSTEMD, "sh", "-c", SCRIPT)
        yield f"{pod}-app"
    finally:
        podman.attempt("pod", "rm", "--force", "--time=0", pod)


def test_systemd_reaches_a_target_and_supervises_a_service(podman, app):
    """systemd reaches multi-user.target, starts its service again after it was killed, and stops with the container."""
    podman.wait_until_ready(app, lambda: "Multi-User System" in podman.logs(app))
    podman.wait_until_ready(app, lambda: "up, of systemd" in podman.logs(app))
    systemd, = children(podman.pid(app))
    service, = children(systemd)
    os.kill(service, signal.SIGKILL)
    wait_until(lambda: podman.logs(app).count("up, of systemd") == 2, "the service is started again")
    podman("stop", "--time=60", app)
    assert (podman.exit_code(app), podman.logs(app).count("stopped the app")) == (0, 2)
