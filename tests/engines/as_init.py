"""A candidate as what an engine's --init starts."""
import images
from engine import flushed
from report import expect
from terminal import Terminal


def check(report, engine):
    name = engine.NAME
    run = [*engine.confine, *engine.init]

    with report.check(f"{name} --init: passes the exit code on"):
        done = engine.attempt("run", "--rm", *run, images.WORKLOAD, "sh", "-c", "cat /proc/1/comm; exit 42")
        expect((done.returncode, done.stdout), (42, f"{engine.INIT_NAME}\n"), "exit code and PID 1")

    with report.check(f"{name} --init: TERM reaches a trap"):
        script = 'trap "exit 7" TERM; echo ready; while :; do sleep 0.2 & wait; done'
        engine("run", "--detach", "--name=trap", *run, images.WORKLOAD, "sh", "-c", script)
        engine.wait_until_ready("trap", lambda: "ready" in engine.logs("trap"))
        engine("stop", "--time=60", "trap")
        expect(engine.exit_code("trap"), 7, "exit code")
        engine("rm", "trap")

    with report.check(f"{name} --init: orphans are reaped"):
        engine("run", "--rm", *run, images.WORKLOAD, "sh", "-c", images.ORPHAN)

    with report.check(f"{name} --init: a worker in a session of its own has time to flush"):
        data, volume = engine.volume()
        script = 'trap "exit 0" TERM; setsid flush.sh /data & while :; do sleep 0.2 & wait $!; done'
        engine("run", "--detach", "--name=session", volume, *run, images.WORKLOAD, "sh", "-c", script)
        engine.wait_until_ready("session", (data / "ready").exists)
        engine("stop", "--time=60", "session")
        expect(engine.exit_code("session"), 0, "exit code")
        engine("rm", "session")
        expect(flushed(data), "told 1", "the worker")

    with report.check(f"{name} --init, -it: a shell has the terminal, and ^C ends only what it runs in front"), \
            Terminal([*engine.command, "run", "--rm", "-it", *run, images.WORKLOAD, "sh"]) as terminal:
        # What is awaited must not be found in the echo of the command; and it comes from who is to get the ^C.
        terminal.type("sh -c 'echo in''front; exec sleep 1000000'\n")
        terminal.wait_for("infront")
        terminal.type("\x03")
        terminal.type("echo status $?.\n")
        terminal.wait_for("status 130.")
        terminal.type("exit 5\n")
        expect(terminal.exit_status(), 5, "exit code")
        expect("can't access tty" in terminal.seen, False, "without job control")
