"""A candidate as the pause process of containerd's pods."""
import os
import pathlib
import signal

import pytest

import scripts
from cri_pod import CriPod
from engine import FLUSHED_ONCE, flushed
from nginx import RELOADED
from processes import status, uids
from waiting import wait_until

pytestmark = pytest.mark.compared("CRI pod")

CAP_KILL = 1 << 5
# Of two pending signals the lower number is handled first: SIGHUP before SIGUSR2. So the answer to SIGUSR2 comes
# after the handler of a SIGHUP that was sent before it.
APP = 'trap "echo reloaded" HUP; trap "echo answer" USR2; echo ready; while :; do sleep 0.2 & wait $!; done'


@pytest.fixture(scope="module")
def pod(containerd):
    """A pod with nginx and a sidecar, for all tests that do not change it."""
    with CriPod(containerd) as pod:
        pod.run_nginx()
        pod.run_sidecar()
        yield pod


@pytest.fixture
def own_pod(containerd):
    """An empty pod for one test."""
    with CriPod(containerd) as pod:
        yield pod


def test_the_pause_process_is_confined(pod):
    """Runs with RuntimeDefault seccomp, no new privileges, and a read-only root."""
    fields = status(pod.pause_pid())
    assert (fields["Seccomp"], fields["NoNewPrivs"]) == ("2", "1")
    mounts = [line.split() for line in pathlib.Path(f"/proc/{pod.pause_pid()}/mountinfo").read_text().splitlines()]
    root = next(mount for mount in mounts if mount[4] == "/")
    assert "ro" in root[5].split(",")


def test_the_pause_process_has_no_other_capability_than_kill(pod):
    """The pause process is not root, and has no capability but CAP_KILL."""
    assert not uids(pod.pause_pid()) & {"0", *uids(pod.pid("nginx")), *uids(pod.pid("sidecar"))}
    fields = status(pod.pause_pid())
    assert {int(fields[name], 16) & ~CAP_KILL for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")} == {0}


def test_hup_from_nginx_reloads_it(pod):
    """`kill -HUP 1` by ExecSync in nginx reloads nginx once."""
    assert pod.effect_of_hup_from("nginx") == RELOADED


def test_hup_from_the_sidecar_reloads_nginx(pod):
    """`kill -HUP 1` by ExecSync in the sidecar reloads nginx once."""
    assert pod.effect_of_hup_from("sidecar") == RELOADED


def test_hup_spares_the_sidecar(pod):
    """A sidecar without handlers survives the HUP."""
    pod.execute("sidecar", scripts.HUP)
    assert pod.is_running("sidecar")


def test_orphans_are_reaped(pod):
    """A container's orphan is reaped."""
    pod.execute("sidecar", scripts.ORPHAN)


def test_stop_container_lets_it_flush(pod):
    """StopContainer: 2 s to flush, then exit code 0; the pod stays ready."""
    data = pod.run_flush()
    pod.stop_container("flush")
    assert (pod.exit_code("flush"), flushed(data)) == (0, FLUSHED_ONCE)
    assert pod.is_ready()
    assert pod.is_running("nginx")


def test_stop_pod_sandbox_leaves_no_process(own_pod):
    """StopPodSandbox leaves no process."""
    own_pod.run_sidecar()
    own_pod.run_flush()
    pids = [own_pod.pause_pid(), own_pod.pid("sidecar"), own_pod.pid("flush")]
    own_pod.stop()
    assert not own_pod.is_ready()
    wait_until(lambda: not any(pathlib.Path(f"/proc/{pid}").exists() for pid in pids), "every process has exited")


def test_term_from_inside_lets_a_container_flush(own_pod):
    """`kill 1` in a container: a container that needs 2 s to flush exits with 0, after one SIGTERM."""
    data = own_pod.run_flush()
    own_pod.execute("flush", "kill 1")
    assert (own_pod.exit_code("flush"), flushed(data)) == (0, FLUSHED_ONCE)
    wait_until(lambda: not own_pod.is_ready(), "the pod has exited")


def test_the_pod_ends_when_the_pause_process_is_killed(own_pod):
    """When the pause process is killed, the containers end with 137."""
    own_pod.run_sidecar()
    os.kill(own_pod.pause_pid(), signal.SIGKILL)
    assert own_pod.exit_code("sidecar") == 137
    wait_until(lambda: not own_pod.is_ready(), "the pod has exited")


def test_hup_with_run_as_user(containerd):
    """With runAsUser 1000, `kill -HUP 1` reaches the app."""
    with CriPod(containerd, user=1000) as pod:
        pod.run("app", "sh", "-c", APP)
        wait_until(lambda: "ready" in pod.log("app"), "the app is ready")
        pod.execute("app", scripts.HUP)
        os.kill(pod.pid("app"), signal.SIGUSR2)
        wait_until(lambda: "answer" in pod.log("app"), "the app's answer")
        assert pod.log("app").count("reloaded") == 1
