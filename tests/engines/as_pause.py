"""podinit as PID 1 of a podman pod, and Debian's catatonit -P in its place, to see that the checks can fail."""
import images
from pod import Pod
from report import expect

FROM_NGINX = "`kill -HUP 1` in nginx's own container reloads nginx once"
FROM_SIDECAR = "`kill -HUP 1` in the sidecar reloads nginx once"
SPARED = "the sidecar and an exec session live on"
FLUSHED = "`podman pod stop`: a container that needs 2 s to flush ends with 0, told once"
ENDED = "`podman pod stop`: the pause process ends with 0"
UNHELD = "`podman pod stop`: the same, though an exec session has outlived its container"
# Where a pause process that neither forwards nor waits falls short.
BEYOND_PAUSE = (FROM_NGINX, FROM_SIDECAR, FLUSHED)


def check(report, podman):
    podinit = observe(report, podman, "podinit", images.PODINIT)
    catatonit = observe(report, podman, "catatonit -P", images.CATATONIT)
    for line, (seen, wanted) in podinit.items():
        with report.check(f"pod, podinit: {line}"):
            expect(seen, wanted, "seen")
    for line, (seen, wanted) in catatonit.items():
        if line in BEYOND_PAUSE:
            with report.check(f"pod, catatonit -P falls short: {line}"):
                expect(seen != wanted, True, "falls short")
    with report.check("pod, podinit called as podman calls catatonit: a sidecar reloads nginx once"):
        with Pod(podman, images.AS_CATATONIT) as pod:
            expect(pod.reload_from("sidecar"), Pod.RELOADED, "seen")
    if podinit and catatonit:
        print_table(podinit, catatonit)


def observe(report, podman, name, infra_image):
    """For each line what was seen and what is wanted; nothing if the pod could not be brought that far."""
    with report.part(f"pod, {name}"):
        return observe_work(podman, infra_image) | observe_left_session(podman, infra_image)
    return {}


def observe_work(podman, infra_image):
    with Pod(podman, infra_image) as pod:
        lines = {
            FROM_NGINX: (pod.reload_from("nginx"), Pod.RELOADED),
            FROM_SIDECAR: (pod.reload_from("sidecar"), Pod.RELOADED),
            SPARED: (pod.spared(), True),
        }
        pod.stop()
        lines[FLUSHED] = (pod.flushed(), "exit code 0, told 1")
        lines[ENDED] = (pod.exit_code("infra"), 0)
        return lines


def observe_left_session(podman, infra_image):
    """podman pod stop tells all at the same moment, so a sidecar may be gone before PID 1 looks; here it always is."""
    with Pod(podman, infra_image) as pod:
        # Not by podman stop, which complains of the session.
        podman("kill", "--signal=TERM", "sidecar")
        pod.exit_code("sidecar")
        expect(pod.session_answers(), True, "the exec session lives")
        pod.stop()
        return {UNHELD: (pod.exit_code("infra"), 0)}


def print_table(podinit, catatonit):
    print("\n| line | podinit | catatonit -P |\n|---|---|---|")
    for line in podinit:
        print(f"| {line} | {cell(*podinit[line])} | {cell(*catatonit[line])} |")
    print()


def cell(seen, wanted):
    return "yes" if seen == wanted else f"no: {seen}"
