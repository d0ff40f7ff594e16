"""A candidate as the pause process of containerd's pods."""
import os
import pathlib
import signal

import images
from cri_pod import CriPod
from engine import flushed
from nginx import HUP, RELOADED, Nginx
from report import expect, wait_until

CAP_KILL = 1 << 5
# Of two pending signals the lower is dealt with first, so who has answered USR2 has seen a HUP sent before.
APP = 'trap "echo reloaded" HUP; trap "echo answer" USR2; echo ready; while :; do sleep 0.2 & wait $!; done'


def check(report, containerd):
    with report.part("CRI pod"), CriPod(containerd) as pod:
        check_confinement(report, pod)
        check_signals(report, pod)
        check_stop(report, pod)

    with report.check("CRI pod: `kill 1` in a container: a container that needs 2 s to flush ends with 0, told once"), \
            CriPod(containerd) as pod:
        data = pod.flush()
        pod.execute("flush", "kill 1")
        expect((pod.exit_code("flush"), flushed(data)), (0, "told 1"), "exit code and what it wrote down")
        wait_until(lambda: not pod.ready(), "the end of the pod")

    with report.check("CRI pod: when the pause process is killed, the containers end with 137"), \
            CriPod(containerd) as pod:
        pod.run("sidecar", "sleep", "1000000")
        os.kill(pod.pause_pid(), signal.SIGKILL)
        expect(pod.exit_code("sidecar"), 137, "exit code")
        wait_until(lambda: not pod.ready(), "the end of the pod")

    with report.check("CRI pod, runAsUser 1000: `kill -HUP 1` reaches the app"), CriPod(containerd, user=1000) as pod:
        pod.run("app", "sh", "-c", APP)
        wait_until(lambda: "ready" in pod.log("app"), "the app")
        pod.execute("app", HUP)
        os.kill(pod.pid("app"), signal.SIGUSR2)
        wait_until(lambda: "answer" in pod.log("app"), "the app's answer")
        expect(pod.log("app").count("reloaded"), 1, "reloads")


def check_confinement(report, pod):
    status = dict(line.split(":\t", 1) for line in
                  pathlib.Path(f"/proc/{pod.pause_pid()}/status").read_text().splitlines())
    with report.check("CRI pod: runs with RuntimeDefault seccomp, no new privileges, and a read-only root"):
        expect((status["Seccomp"], status["NoNewPrivs"]), ("2", "1"), "seccomp mode, no_new_privs")
        mounts = [line.split() for line in pathlib.Path(f"/proc/{pod.pause_pid()}/mountinfo").read_text().splitlines()]
        root = next(mount for mount in mounts if mount[4] == "/")
        expect("ro" in root[5].split(","), True, "read-only")
    with report.check("CRI pod: the pause process is not root, and has no capability but CAP_KILL"):
        uids = set(status["Uid"].split())
        sets = {int(status[name], 16) & ~CAP_KILL for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")}
        expect(("0" in uids, sets), (False, {0}), "root, other capabilities")


def check_signals(report, pod):
    pod.run("nginx", "nginx", "-g", "daemon off;")
    pod.run("sidecar", "sleep", "1000000")
    nginx = Nginx(pod.pid("nginx"), lambda: pod.log("nginx"))
    for container in ("nginx", "sidecar"):
        with report.check(f"CRI pod: `kill -HUP 1` by ExecSync in {container} reloads nginx once"):
            expect(nginx.told_by(lambda script: pod.execute(container, script)), RELOADED, "nginx")
    with report.check("CRI pod: the sidecar lives on"):
        expect(pod.runs("sidecar"), True, "runs")
    with report.check("CRI pod: a container's orphan is reaped"):
        pod.execute("sidecar", images.ORPHAN)


def check_stop(report, pod):
    with report.check("CRI pod: StopContainer: 2 s to flush, then 0; the pod is ready still"):
        data = pod.flush()
        pod.stop_container("flush")
        expect((pod.exit_code("flush"), flushed(data)), (0, "told 1"), "exit code and what it wrote down")
        expect((pod.ready(), pod.runs("nginx")), (True, True), "pod ready, nginx runs")
    with report.check("CRI pod: StopPodSandbox leaves no process behind"):
        pids = [pod.pause_pid(), pod.pid("nginx"), pod.pid("sidecar")]
        pod.stop()
        expect(pod.ready(), False, "ready")
        wait_until(lambda: not any(pathlib.Path(f"/proc/{pid}").exists() for pid in pids), "the end of all")
