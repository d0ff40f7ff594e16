"""A pod in Docker: containers that share the PID namespace of another one."""
import pytest

import images
from nginx import RELOADED, Nginx
from processes import wait_until_idle


@pytest.fixture(scope="module")
def containers(docker, pause):
    """The names of the pause container and of nginx's."""
    with docker.container(pause) as infra:
        wait_until_idle(docker.pid(infra), "pause")
        with docker.container(f"--pid=container:{infra}", images.WORKLOAD, "nginx", "-g", "daemon off;") as nginx:
            yield infra, nginx


def test_hup_reloads_nginx(docker, containers):
    """`kill -HUP 1` in nginx's own container reloads nginx once."""
    _, name = containers
    nginx = Nginx(docker.pid(name), lambda: docker.logs(name))
    assert nginx.effect_of(lambda script: docker("exec", name, "sh", "-c", script)) == RELOADED


def test_stop_ends_nginx_and_the_pause_process_with_0(docker, containers):
    """`docker stop` of both: nginx and the pause process exit with 0."""
    infra, nginx = containers
    docker("stop", "--time=60", nginx)
    docker("stop", "--time=60", infra)
    assert (docker.exit_code(nginx), docker.exit_code(infra)) == (0, 0)
