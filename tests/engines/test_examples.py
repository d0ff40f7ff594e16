"""The examples: the manifests by podman kube play, and the script."""
import pathlib
import re
import subprocess

import pytest

import images
import scripts
from needs import require
from nginx import RELOADED
from played import Played
from processes import wait_until_idle
from waiting import wait_until

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"
# Adds a service to those of s6.
SERVICE = r"""
mkdir /services/{0}
printf '#!/bin/sh\necho {0} is up\nexec sleep 1000000\n' >/services/{0}/run
chmod +x /services/{0}/run
"""


@pytest.fixture(scope="module")
def tagged(podman, pause):
    """A podman that has the images by the names that are used in the manifests."""
    podman("tag", pause, images.INFRA)
    for image in images.STOCK:
        podman("tag", images.WORKLOAD, image)
    return podman


@pytest.fixture
def jdk(scratch, podman):
    """Has the image of a JDK made."""
    require(["java", "javac", "jstack", "jmap"])
    podman.import_images([images.jdk(scratch / "jdk.tar")])


@pytest.fixture
def pod(request, tagged):
    """The pod of the manifest that a test is named after."""
    name = request.function.__name__.removeprefix("test_").replace("_", "-")
    with Played(tagged, EXAMPLES / f"{name}.yaml") as pod:
        yield pod


def test_by_hand(podinit):
    """Nested namespaces, and a pod that a process enters with nsenter."""
    require(["nsenter", "unshare", "pgrep"])
    done = subprocess.run([EXAMPLES / "by-hand.sh", podinit], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    # Without the pids of the outer namespace.
    lines = [line.split("\t")[0] for line in done.stdout.splitlines() if not line.startswith("==")]
    # comm has no more than 15 characters (proc(5)).
    comm = pathlib.Path(podinit).name[:15]
    assert lines == [f"PID 1 is {comm}, this is 2", "a second process cannot be started", "NSpid:",
                    "a process outside cannot be signalled", "PPid:", "reloaded", "PID 1 has ended with 0"]
    assert re.search(r"^NSpid:\t.*\t2$", done.stdout, re.MULTILINE)
    assert "PPid:\t0\n" in done.stdout


def test_share_nginx(pod):
    """nginx reloads on a HUP to it and on one to PID 1; its files can be read."""
    nginx = pod.nginx()
    assert nginx.effect_of(lambda hup: pod.execute("shell", hup)) == RELOADED, "a HUP to PID 1"
    for shell in ("shell", "plain"):
        by_pid = nginx.effect_of(lambda _: pod.execute(shell, "kill -HUP $(pgrep -o -x nginx)"))
        assert by_pid == RELOADED, f"a HUP to nginx from {shell}"
        first_line = pod.execute(shell, "head -n 1 /proc/$(pgrep -o -x nginx)/root/etc/nginx/nginx.conf")
        assert first_line == images.NGINX_CONF.splitlines()[0], f"nginx's configuration read from {shell}"


def test_debug_sidecar(pod):
    """strace prints that nginx receives its HUP from PID 1."""
    pod.wait_for("debug", "nginx.conf", "attached")
    assert pod.nginx().effect_of(lambda hup: pod.execute("debug", hup)) == RELOADED
    pod.wait_for("debug", "SIGHUP {si_signo=SIGHUP, si_code=SI_USER, si_pid=1,")


def test_profile(pod):
    """strace counts the system calls of nginx's master and workers."""
    def counted():
        # So that they have something to do while strace is attached.
        pod.execute("profiler", scripts.HUP)
        return "epoll_wait" in pod.logs("profiler")

    wait_until(counted, "strace prints a table with epoll_wait")
    assert pod.is_running("profiler")


def test_java_debug(jdk, pod):
    """A thread dump by jstack and by SIGQUIT, and a heap histogram."""
    pod.wait_for("app", "ready")
    pod.execute("jdk-tools", "kill -QUIT 1")
    pod.wait_for("app", "Full thread dump", "java.lang.Thread.join")
    assert "java.lang.Thread.join" in pod.execute("jdk-tools", "jstack $(pgrep -o -x java)")
    assert "java.lang.String" in pod.execute("jdk-tools", "jmap -histo $(pgrep -o -x java)")
    assert pod.is_running("app")


def test_monitor(pod):
    """Memory, threads and open files of nginx."""
    pod.wait_for("monitor", "VmRSS:", "Threads:\t1", "Files: ")


def test_controller(pod):
    """The app receives the signals that the controller sends to PID 1."""
    def checkpoints():
        return pod.logs("app").count("checkpoint")

    # The app has many seconds for each signal: without a checkpoint after 15 signals it receives none.
    wait_until(lambda: checkpoints() >= 2 or pod.logs("controller").count("asked") >= 15, "two checkpoints")
    assert checkpoints() >= 2
    assert pod.is_running("controller")


def test_reload_nginx(pod):
    """nginx reloads once after a change of its configuration."""
    def change(_):
        server = "server { listen 8081; location / { return 200 changed; } }"
        pod.execute("reloader", f"echo '{server}' >/configuration/new.conf")
        pod.wait_for("reloader", "changed")
        pod.execute("reloader", scripts.SETTLED)

    pod.wait_for("reloader", "watching")
    assert pod.nginx().effect_of(change) == RELOADED
    assert pod.logs("nginx").count("(SIGHUP) received from 1,") == 1
    wait_until(lambda: pod.attempt("nginx", "wget -qO- 127.0.0.1:8081").stdout == "changed", "the new server")
    assert pod.is_running("reloader")


def test_hot_reload(pod):
    """nginx reloads once after a change of its configuration, which podinit in a sidecar watches."""
    def change(_):
        server = "server { listen 8081; location / { return 200 changed; } }"
        pod.execute("nginx", f"echo '{server}' >/etc/nginx/conf.d/new.conf")
        pod.wait_for("reloader", '/configuration" has changed: SIGHUP')
        pod.execute("nginx", scripts.SETTLED)

    wait_until_idle(pod.pid("reloader"), "podinit")
    assert pod.nginx().effect_of(change) == RELOADED
    assert pod.logs("nginx").count("(SIGHUP) received from") == 1
    wait_until(lambda: pod.attempt("nginx", "wget -qO- 127.0.0.1:8081").stdout == "changed", "the new server")
    assert pod.is_running("reloader")


CONFIG_MAP = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: configuration
data:
  new.conf: "# {}"
---
"""


def test_hot_reload_with_a_config_map(tagged, tmp_path):
    """nginx reloads once after a second kube play with another ConfigMap."""
    volume = "configMap: {name: configuration}"
    manifest = tmp_path / "hot-reload.yaml"
    text = (EXAMPLES / manifest.name).read_text().replace("emptyDir: {}", volume)
    assert volume in text

    def change(_):
        manifest.write_text(CONFIG_MAP.format("second") + text)
        # podman has written the new content to the volume when it finds that the pod exists.
        done = tagged.attempt("kube", "play", "--network=none", str(manifest))
        assert "pod already exists" in done.stderr
        pod.wait_for("reloader", '/configuration" has changed: SIGHUP')
        pod.execute("nginx", scripts.SETTLED)

    manifest.write_text(CONFIG_MAP.format("first") + text)
    with Played(tagged, manifest) as pod:
        assert pod.execute("nginx", "cat /etc/nginx/conf.d/new.conf") == "# first"
        wait_until_idle(pod.pid("reloader"), "podinit")
        assert pod.nginx().effect_of(change) == RELOADED
        assert pod.execute("nginx", "cat /etc/nginx/conf.d/new.conf") == "# second"


def test_supervisor(pod):
    """The exit of an app is noticed, and no zombie is left."""
    pod.wait_for("supervisor", "has ended", "sleep 1000000")
    assert " Z " not in pod.logs("supervisor")


def test_restricted_users(pod):
    """What other users can read of an app, and that they are not permitted to signal it."""
    pod.wait_for("app", "ready")
    # By its arguments, which every user can read.
    app = pod.execute("debug", "pgrep -o -f '[r]estricted-app'")
    for container, script, refusal in (
        ("debug", f"cat /proc/{app}/environ", "Permission denied"),
        ("debug", f"kill -HUP {app}", "Operation not permitted"),
        ("debug", f"ls /proc/{app}/root/", "Permission denied"),
        ("debug", "kill -HUP 1", "Operation not permitted"),
        ("tracer", f"cat /proc/{app}/environ", "Permission denied"),
        ("tracer", f"kill -HUP {app}", "Operation not permitted"),
        ("app", "kill -HUP 1", "Operation not permitted"),
    ):
        assert refusal in pod.attempt(container, script).stderr, f"{container}: {script}"
    assert "bin" in pod.execute("tracer", f"ls /proc/{app}/root/").split(), "the tracer can read the app's files"
    assert pod.logs("app") == "ready\n"


def test_audit(pod):
    """Every process of the pod, also an exec session."""
    pod.execute("nginx", "exec sleep 31415", "--detach")
    pod.wait_for("auditor", "nginx: master process", "sleep 31415", "ps -o pid,user,args")
    user = re.findall(r"^ +1 (\S+)", pod.logs("auditor"), re.MULTILINE)[-1]
    assert user not in ("root", "0"), "PID 1 is root"


def test_init_in_pod(pod):
    """podinit as entrypoint where it is not PID 1."""
    pod.wait_for("nginx", "orphan ", "start worker processes")
    orphan = pod.logs("nginx").partition("orphan ")[2].split()[0]
    parent = pod.execute("nginx", f"sed -n 's/^PPid:\t//p' /proc/{orphan}/status")
    assert pod.execute("nginx", f"cat /proc/{parent}/comm") == "podinit"
    master = subprocess.run(["pgrep", "-x", "-P", str(pod.pid("nginx")), "nginx"], capture_output=True, text=True)
    assert pod.nginx(master.stdout).effect_of(lambda hup: pod.execute("sidecar", hup)) == RELOADED
    assert pod.is_running("sidecar")


def test_pid1_only(s6, pod):
    """s6 is PID 1 of its own: it starts nginx again, and a HUP to PID 1 has it start new services; it stops with 0."""
    def masters():
        return pod.logs("app").count("start worker processes")

    pod.wait_for("app", "start worker processes")
    outside = pod.execute("sidecar", "pgrep -x s6-svscan")
    assert pod.execute("sidecar", f"grep NSpid: /proc/{outside}/status").split() == ["NSpid:", outside, "1"]
    pod.execute("sidecar", "kill $(pgrep -o -x nginx)")
    wait_until(lambda: masters() == 2, "s6 has started nginx again")
    inside = f"nsenter -t {outside} -p -m -- sh -c 'kill -HUP 1'"
    for container, name, hup in (("sidecar", "first", "kill -HUP 1"), ("app", "second", inside)):
        pod.execute("app", SERVICE.format(name))
        pod.execute(container, hup)
        pod.wait_for("app", f"{name} is up")
    pod.podman("stop", "--time=60", pod.full("app"))
    assert pod.podman.exit_code(pod.full("app")) == 0
