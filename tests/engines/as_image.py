"""The Dockerfile, with a builder made here in the place of one with cargo."""
import images
from report import expect


def check(report, engine, root):
    with report.check(f"{engine.NAME} build: --target init runs a program"):
        build(engine, root, "init")
        version = engine("run", "--rm", *engine.confine, tag("init"), "/podinit", "--version")
        expect(version.split()[0], "podinit", "output")

    with report.check(f"{engine.NAME} build: --target pause pauses, and ends on TERM"):
        build(engine, root, "pause")
        engine("run", "--detach", "--name=built", *engine.confine, tag("pause"))
        engine("stop", "--time=60", "built")
        expect(engine.exit_code("built"), 0, "exit code")


def tag(target):
    return f"localhost/built-{target}"


def build(engine, root, target):
    # A cgroup of its own: a build runs in the very one that it is given, and that must have none below.
    engine("build", f"--build-arg=BUILDER={images.BUILDER}", f"--target={target}", f"--tag={tag(target)}",
           "--network=none", f"--cgroup-parent={engine.cgroup}/build-{target}", f"--file={root / 'Dockerfile'}",
           str(root))
