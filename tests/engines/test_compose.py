"""The example for Docker Compose, by docker-compose."""
import signal

import pytest

import images
import scripts
from composed import NEEDS, Composed
from needs import require
from nginx import RELOADED
from processes import wait_until_idle
from test_examples import EXAMPLES


@pytest.fixture
def compose(docker, pause):
    require(NEEDS)
    docker("tag", pause, "pause")
    for image in images.STOCK:
        docker("tag", images.WORKLOAD, image)
    with Composed(docker, EXAMPLES / "compose.yaml") as compose:
        wait_until_idle(compose.pid("pause"), "pause")
        yield compose


def test_hup_from_another_container_reloads_nginx_and_orphans_are_reaped(compose):
    """`kill -HUP 1` in the sidecar reloads nginx once; a container's orphan is reaped."""
    assert compose.effect_of_hup_from("sidecar") == RELOADED
    assert compose.effect_of_hup_from("nginx") == RELOADED
    compose.execute("sidecar", scripts.ORPHAN)


def test_stop_stops_the_pause_process_last(compose):
    """docker-compose stop: nginx and the pause process exit with 0, the pause process last."""
    compose.nginx()
    compose("stop")
    assert compose.exit_codes("nginx", "pause") == [0, 0]
    last = compose.finished_at("pause")
    assert all(compose.finished_at(service) < last for service in ("nginx", "sidecar"))


def test_the_pause_process_stopped_first_waits_for_the_containers(compose):
    """The pause process, stopped first, exits with 0 once the other containers have been stopped."""
    compose.nginx()
    compose.docker("kill", "--signal=TERM", compose.id("pause"))
    compose.settle()
    compose("stop", "nginx", "sidecar")
    assert compose.exit_codes("nginx", "pause") == [0, 0]


def test_the_pause_process_stopped_alone_ends_every_container_by_sigkill(compose):
    """`docker stop` of the pause process alone: Docker kills it after the time that it has, and with it every container."""
    compose.nginx()
    compose.docker("stop", "--time=1", compose.id("pause"))
    killed = 128 + signal.SIGKILL
    assert compose.exit_codes("nginx", "sidecar", "pause") == [killed] * 3
    assert "signal 15 (SIGTERM) received" not in compose.docker.logs(compose.id("nginx"))
