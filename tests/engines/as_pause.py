"""A candidate as PID 1 of a podman pod."""
import os

import images
from nginx import RELOADED
from pod import Pod
from report import Report, expect

FROM_NGINX = "`kill -HUP 1` in nginx's own container reloads nginx once"
FROM_SIDECAR = "`kill -HUP 1` in the sidecar reloads nginx once"
SPARED = "the sidecar and an exec session live on"
ORPHAN = "a container's orphan is reaped"
FLUSHED = "pod stop: a container that needs 2 s to flush ends with 0, told once"
ENDED = "pod stop: the pause process ends with 0"
UNHELD = "pod stop: the same, though an exec session has outlived its container"
IN_TURN = "containers told to stop one by one, the pause process first: the last may flush still"
# Where a pause process that neither forwards nor waits falls short.
BEYOND_PAUSE = {FROM_NGINX, FROM_SIDECAR, FLUSHED, IN_TURN}


def name_of(podman, what):
    return f"{podman.NAME} pod: {what}"


def check(report, podman, infra_image):
    def line(what):
        return report.check(name_of(podman, what))

    with report.part(f"{podman.NAME} pod"), Pod(podman, infra_image) as pod:
        with line(FROM_NGINX):
            expect(pod.reload_from("nginx"), RELOADED, "nginx")
        with line(FROM_SIDECAR):
            expect(pod.reload_from("sidecar"), RELOADED, "nginx")
        with line(SPARED):
            expect(pod.spared(), True, "alive")
        with line(ORPHAN):
            podman("exec", "sidecar", "sh", "-c", images.ORPHAN)
        pod.stop()
        with line(FLUSHED):
            expect(pod.flushed(), "exit code 0, told 1", "the container")
        with line(ENDED):
            expect(pod.exit_code("infra"), 0, "exit code")

    # podman pod stop tells all at the same moment, so a sidecar may be gone before PID 1 looks; here it always is.
    with report.part(f"{podman.NAME} pod"), Pod(podman, infra_image) as pod:
        # Not by podman stop, which complains of the session.
        podman("kill", "--signal=TERM", "sidecar")
        pod.exit_code("sidecar")
        with line(UNHELD):
            expect(pod.session_answers(), True, "the exec session lives")
            pod.stop()
            expect(pod.exit_code("infra"), 0, "exit code")

    with line(IN_TURN), Pod(podman, infra_image) as pod:
        podman("kill", "--signal=TERM", "infra")
        podman("exec", "flush", "sh", "-c", images.SETTLED)
        for container in ("nginx", "sidecar", "flush"):
            podman("kill", "--signal=TERM", container)
            pod.exit_code(container)
        expect(pod.flushed(), "exit code 0, told 1", "the container")
        expect(pod.exit_code("infra"), 0, "exit code")


def check_that_it_can_fail(report, podman, infra_image):
    """With Debian's catatonit -P as PID 1."""
    with report.check("podman pod: with catatonit -P as PID 1 the same checks fail where they should"), \
            open(os.devnull, "w") as nowhere:
        others = Report(nowhere)
        check(others, podman, infra_image)
        expect(others.failed(), {name_of(podman, what) for what in BEYOND_PAUSE}, "failed")


def check_as_catatonit(report, podman):
    """With podinit in the place of the catatonit in podman's own infra image."""
    with report.check("podman pod: podinit called as podman calls catatonit: a sidecar reloads nginx once"), \
            Pod(podman, images.AS_CATATONIT) as pod:
        expect(pod.reload_from("sidecar"), RELOADED, "nginx")
