"""A candidate as PID 1 of a podman pod."""
import pytest

import scripts
from engine import FLUSHED_ONCE
from nginx import RELOADED
from pod import Pod

pytestmark = [
    pytest.mark.engines("podman", "rootless"),
    pytest.mark.compared("podman pod"),
    pytest.mark.controlled,
]


@pytest.fixture(scope="module")
def pod(engine, pause):
    """A pod for all tests that do not change it, and then for those that check its stop."""
    with Pod(engine, pause) as pod:
        yield pod


@pytest.fixture(scope="module")
def stopped_pod(pod):
    pod.stop()
    return pod


@pytest.fixture
def own_pod(engine, pause):
    """A pod for one test."""
    with Pod(engine, pause) as pod:
        yield pod


@pytest.mark.beyond_catatonit
def test_hup_from_nginx_reloads_it(pod):
    """`kill -HUP 1` in nginx's own container reloads nginx once."""
    assert pod.effect_of_hup_from("nginx") == RELOADED


@pytest.mark.beyond_catatonit
def test_hup_from_the_sidecar_reloads_nginx(pod):
    """`kill -HUP 1` in the sidecar reloads nginx once."""
    assert pod.effect_of_hup_from("sidecar") == RELOADED


def test_hup_spares_sidecar_and_exec_session(pod):
    """A sidecar without handlers and an exec session survive the HUP."""
    pod.execute("sidecar", scripts.HUP)
    assert pod.is_running("sidecar")
    assert pod.session_answers()


def test_orphans_are_reaped(pod):
    """A container's orphan is reaped."""
    pod.execute("sidecar", scripts.ORPHAN)


@pytest.mark.beyond_catatonit
def test_pod_stop_lets_a_container_flush(stopped_pod):
    """Pod stop: a container that needs 2 s to flush exits with 0, after one SIGTERM."""
    assert stopped_pod.flushed() == (0, FLUSHED_ONCE)


def test_pod_stop_ends_the_pause_process_with_0(stopped_pod):
    """Pod stop: the pause process exits with 0."""
    assert stopped_pod.exit_code("infra") == 0


def test_pod_stop_with_an_exec_session_of_a_container_that_has_exited(own_pod):
    """Pod stop: the pause process exits with 0 beside an exec session whose container has exited."""
    # podman pod stop stops all containers at the same moment, so a sidecar may have exited before PID 1 looks, or not.
    own_pod.terminate("sidecar")
    own_pod.exit_code("sidecar")
    assert own_pod.session_answers()
    own_pod.stop()
    assert own_pod.exit_code("infra") == 0


@pytest.mark.beyond_catatonit
def test_the_last_container_can_flush_after_the_pause_process_was_stopped(own_pod):
    """Containers stopped one by one, the pause process first: the last one can still flush."""
    own_pod.terminate("infra")
    own_pod.execute("flush", scripts.SETTLED)
    for container in own_pod.CONTAINERS:
        own_pod.terminate(container)
        own_pod.exit_code(container)
    assert own_pod.flushed() == (0, FLUSHED_ONCE)
    assert own_pod.exit_code("infra") == 0


@pytest.mark.beyond_catatonit
def test_a_container_that_starts_again_after_the_pause_process_was_stopped_can_flush(own_pod):
    """The pause process stopped, then one container started again: it can flush as well."""
    own_pod.terminate("infra")
    own_pod.execute("flush", scripts.SETTLED)
    own_pod.terminate("flush")
    assert own_pod.flushed() == (0, FLUSHED_ONCE)
    own_pod.start_flush_again()
    for container in own_pod.CONTAINERS:
        own_pod.terminate(container)
        own_pod.exit_code(container)
    assert own_pod.flushed() == (0, FLUSHED_ONCE)
    assert own_pod.exit_code("infra") == 0
