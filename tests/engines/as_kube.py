"""The examples: the manifests through podman kube play, the script as it is."""
import contextlib
import re
import subprocess

import images
from nginx import RELOADED, Nginx
from report import expect, wait_until


def check(report, podman, infra_image, examples):
    podman("tag", infra_image, images.INFRA)
    for image in images.STOCK:
        podman("tag", images.WORKLOAD, image)
    for name, (what, came_out) in MANIFESTS.items():
        with report.check(f"examples/{name}.yaml: {what}"), played(podman, examples / f"{name}.yaml"):
            came_out(Played(podman, name))


def check_by_hand(report, podinit, examples):
    with report.check("examples/by-hand.sh: nested namespaces, and a pod entered with nsenter"):
        done = subprocess.run([examples / "by-hand.sh", podinit], check=True, capture_output=True, text=True)
        # The numbers of the outer namespace are as they happen to be.
        told = [line.split("\t")[0] for line in done.stdout.splitlines() if not line.startswith("==")]
        wanted = ["PID 1 is podinit, this is 2", "a second process cannot be started", "NSpid:",
                  "who is outside cannot be signalled", "PPid:", "reloaded", "PID 1 has ended with 0"]
        expect(told, wanted, "output")
        expect("NSpid:\t" in done.stdout and "\t2\n" in done.stdout and "PPid:\t0\n" in done.stdout, True, "pids")


@contextlib.contextmanager
def played(podman, manifest):
    podman("kube", "play", "--network=none", str(manifest))
    try:
        yield
    finally:
        # An error here is not to hide what went wrong before.
        podman.attempt("kube", "down", str(manifest))


class Played:
    """A pod of podman kube play's, whose containers go by their names in the manifest."""

    def __init__(self, podman, pod):
        self.podman = podman
        self.pod = pod

    def logs(self, container):
        return self.podman.logs(f"{self.pod}-{container}")

    def wait_for(self, container, *texts):
        """Until the container has said all of `texts`."""
        def said():
            return all(text in self.logs(container) for text in texts)
        self.podman.wait_until_ready(f"{self.pod}-{container}", said)

    def attempt(self, container, script):
        return self.podman.attempt("exec", f"{self.pod}-{container}", "sh", "-c", script)

    def execute(self, container, script, *options):
        return self.podman("exec", *options, f"{self.pod}-{container}", "sh", "-c", script)

    def runs(self, container):
        return self.podman.inspect(f"{self.pod}-{container}", ".State.Running") == "true"

    def pid(self, container):
        """Of its first process, as we see it."""
        return self.podman.inspect(f"{self.pod}-{container}", ".State.Pid")

    def nginx(self, master=None):
        return Nginx(master or self.pid("nginx"), lambda: self.logs("nginx"))


def share_nginx(pod):
    nginx = pod.nginx()
    expect(nginx.told_by(lambda hup: pod.execute("shell", hup)), RELOADED, "by way of PID 1, nginx")
    for shell in ("shell", "plain"):
        by_pid = nginx.told_by(lambda _: pod.execute(shell, "kill -HUP $(pgrep -o -x nginx)"))
        expect(by_pid, RELOADED, f"{shell}: by its own pid, nginx")
        first_line = pod.execute(shell, "head -n 1 /proc/$(pgrep -o -x nginx)/root/etc/nginx/nginx.conf")
        expect(first_line, images.NGINX_CONF.splitlines()[0], f"{shell}: its configuration")


def debug_sidecar(pod):
    pod.wait_for("debug", "nginx.conf", "attached")
    expect(pod.nginx().told_by(lambda hup: pod.execute("debug", hup)), RELOADED, "nginx")
    pod.wait_for("debug", "SIGHUP {si_signo=SIGHUP, si_code=SI_USER, si_pid=1,")


def monitor(pod):
    pod.wait_for("monitor", "VmRSS:", "Threads:\t1", "Files: ")


def controller(pod):
    def heard():
        return pod.logs("app").count("checkpoint")

    # The app has many seconds for each: if it has heard none of so many, it hears none.
    wait_until(lambda: heard() >= 2 or pod.logs("controller").count("asked") >= 15, "two checkpoints")
    expect(heard() >= 2, True, "two checkpoints")
    expect(pod.runs("controller"), True, "the controller runs")


def reload_nginx(pod):
    def change(_):
        server = "server { listen 8081; location / { return 200 changed; } }"
        pod.execute("reloader", f"echo '{server}' >/configuration/new.conf")
        pod.wait_for("reloader", "changed")
        pod.execute("reloader", images.SETTLED)

    pod.wait_for("reloader", "watching")
    expect(pod.nginx().told_by(change), RELOADED, "nginx")
    expect(pod.logs("nginx").count("(SIGHUP) received from 1,"), 1, "reloads on behalf of PID 1")
    wait_until(lambda: pod.attempt("nginx", "wget -qO- 127.0.0.1:8081").stdout == "changed", "the new server")
    expect(pod.runs("reloader"), True, "the reloader runs")


def supervisor(pod):
    pod.wait_for("supervisor", "has ended", "sleep 1000000")
    expect(" Z " in pod.logs("supervisor"), False, "a zombie")


def restricted_users(pod):
    pod.wait_for("app", "ready")
    # By its arguments, which everybody sees.
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
        expect(refusal in pod.attempt(container, script).stderr, True, f"{container}: {script}: {refusal}")
    expect("bin" in pod.execute("tracer", f"ls /proc/{app}/root/").split(), True, "the tracer sees the app's files")
    expect(pod.logs("app"), "ready\n", "what the app has said")


def audit(pod):
    pod.execute("nginx", "exec sleep 31415", "--detach")
    pod.wait_for("auditor", "nginx: master process", "sleep 31415", "ps -o pid,user,args")
    users = re.findall(r"^ +1 (\w+)", pod.logs("auditor"), re.MULTILINE)
    expect(bool(users) and not {"root", "0"} & set(users), True, "PID 1 is not root")


def init_in_pod(pod):
    pod.wait_for("nginx", "orphan ", "start worker processes")
    orphan = pod.logs("nginx").partition("orphan ")[2].split()[0]
    parent = pod.execute("nginx", f"sed -n 's/^PPid:\t//p' /proc/{orphan}/status")
    expect(pod.execute("nginx", f"cat /proc/{parent}/comm"), "podinit", "the orphan's parent")
    master = subprocess.run(["pgrep", "-x", "-P", pod.pid("nginx"), "nginx"], check=True, capture_output=True).stdout
    expect(pod.nginx(master).told_by(lambda hup: pod.execute("sidecar", hup)), RELOADED, "nginx")
    expect(pod.runs("sidecar"), True, "the sidecar runs")


MANIFESTS = {
    "share-nginx": ("a HUP to nginx and one to PID 1 reload it alike; its files are seen", share_nginx),
    "debug-sidecar": ("strace sees nginx get its HUP from PID 1", debug_sidecar),
    "monitor": ("memory, threads and open files of nginx", monitor),
    "controller": ("the app hears what the controller sends PID 1", controller),
    "reload-nginx": ("nginx reloads once its configuration changes", reload_nginx),
    "supervisor": ("the end of an app is noticed, and leaves no zombie", supervisor),
    "restricted-users": ("what other users may see of an app, and that they cannot signal it", restricted_users),
    "audit": ("all that runs in the pod, an exec session too", audit),
    "init-in-pod": ("podinit as entrypoint where it is not PID 1", init_in_pod),
}
