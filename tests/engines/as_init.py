"""podinit as what an engine's --init starts."""
import images
from engine import flushed
from report import expect

# Ends only once an orphan of its has been reaped.
ORPHAN = """
orphan=$( (sleep 0.1 >/dev/null & echo $!) )
while [ -d /proc/$orphan ]; do sleep 0.05; done
"""


def check(report, engine):
    name = type(engine).__name__.lower()
    run = [*engine.confine, *engine.init]

    with report.check(f"{name} --init: passes the exit code on"):
        done = engine.attempt("run", "--rm", *run, images.WORKLOAD, "sh", "-c", "cat /proc/1/comm; exit 42")
        expect((done.returncode, done.stdout), (42, f"{name}-init\n"), "exit code and PID 1")

    with report.check(f"{name} --init: TERM reaches a trap"):
        script = 'trap "exit 7" TERM; echo ready; while :; do sleep 0.2 & wait; done'
        engine("run", "--detach", "--name=trap", *run, images.WORKLOAD, "sh", "-c", script)
        engine.wait_until_ready("trap", lambda: "ready" in engine.logs("trap"))
        engine("stop", "--time=60", "trap")
        expect(engine.exit_code("trap"), 7, "exit code")

    with report.check(f"{name} --init: orphans are reaped"):
        engine("run", "--rm", *run, images.WORKLOAD, "sh", "-c", ORPHAN)

    with report.check(f"{name} --init: a worker in a session of its own has time to flush"):
        data, volume = engine.volume()
        script = 'trap "exit 0" TERM; setsid flush.sh /data & while :; do sleep 0.2 & wait $!; done'
        engine("run", "--detach", "--name=session", volume, *run, images.WORKLOAD, "sh", "-c", script)
        engine.wait_until_ready("session", (data / "ready").exists)
        engine("stop", "--time=60", "session")
        expect(engine.exit_code("session"), 0, "exit code")
        expect(flushed(data), "told 1", "the worker")
