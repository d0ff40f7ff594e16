"""The Dockerfile, with a builder made here in the place of one with cargo."""
import images
from report import expect


def check(report, podman, root):
    with report.check("Dockerfile: --target init runs a program"):
        build(podman, root, "init")
        expect(podman("run", "--rm", *podman.confine, tag("init"), "/podinit", "--version").split()[0], "podinit", "output")

    with report.check("Dockerfile: --target pause pauses, and ends on TERM"):
        build(podman, root, "pause")
        podman("run", "--detach", "--name=pause", *podman.confine, tag("pause"))
        podman("stop", "--time=60", "pause")
        expect(podman.exit_code("pause"), 0, "exit code")


def tag(target):
    return f"localhost/built-{target}"


def build(podman, root, target):
    # A cgroup of its own: a build runs in the very one that it is given, and that must have none below.
    podman("build", f"--build-arg=BUILDER={images.BUILDER}", f"--target={target}", f"--tag={tag(target)}",
           "--network=none", f"--cgroup-parent={podman.cgroup}/build-{target}", f"--file={root / 'Dockerfile'}", str(root))
