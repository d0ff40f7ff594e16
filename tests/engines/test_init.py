"""A candidate as what an engine's --init starts."""
import pytest

import images
import scripts
from engine import FLUSHED_ONCE, flushed
from terminal import Terminal

pytestmark = [pytest.mark.engines("podman", "rootless", "docker"), pytest.mark.compared("podman --init")]


@pytest.fixture
def options(engine, init):
    return engine.init_options(init)


def test_the_exit_code_is_that_of_the_main_process(engine, options):
    """The exit code is that of the main process."""
    script = "cat /proc/1/comm; exit 42"
    done = engine.attempt("run", "--rm", *engine.confine, *options, images.WORKLOAD, "sh", "-c", script)
    assert done.returncode == 42 and done.stdout.rstrip() in engine.INIT_NAMES


def test_term_reaches_a_trap(engine, options):
    """SIGTERM reaches a shell's trap."""
    script = 'trap "exit 7" TERM; echo ready; while :; do sleep 0.2 & wait; done'
    with engine.container(*options, images.WORKLOAD, "sh", "-c", script) as container:
        engine.wait_until_ready(container, lambda: "ready" in engine.logs(container))
        engine("stop", "--time=60", container)
        assert engine.exit_code(container) == 7


def test_orphans_are_reaped(engine, options):
    """Orphans are reaped."""
    engine("run", "--rm", *engine.confine, *options, images.WORKLOAD, "sh", "-c", scripts.ORPHAN)


def test_a_worker_in_its_own_session_can_flush(engine, options):
    """A worker in a session of its own has time to flush."""
    data, volume = engine.volume()
    script = 'trap "exit 0" TERM; setsid flush.sh /data & while :; do sleep 0.2 & wait $!; done'
    with engine.container(volume, *options, images.WORKLOAD, "sh", "-c", script) as container:
        engine.wait_until_ready(container, (data / "ready").exists)
        engine("stop", "--time=60", container)
        assert engine.exit_code(container) == 0
    assert flushed(data) == FLUSHED_ONCE


def test_a_shell_has_the_terminal(engine, options):
    """With -it a shell has the terminal, and ^C ends only its foreground job."""
    shell = ["run", "--rm", "-it", *engine.confine, *options, images.WORKLOAD, "sh"]
    with Terminal([*engine.command, *shell]) as terminal:
        # The terminal prints the command too, which must not have the awaited word. The process that prints the word
        # receives the ^C.
        terminal.type("sh -c 'echo in''front; exec sleep 1000000'\n")
        terminal.wait_for("infront")
        terminal.type("\x03")
        terminal.type("echo status $?.\n")
        terminal.wait_for("status 130.")
        terminal.type("exit 5\n")
        assert terminal.exit_status() == 5
    assert "can't access tty" not in terminal.seen, "the shell has no job control"
