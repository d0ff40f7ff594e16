"""The examples, through podman kube play."""
import images
from report import expect, wait_until


def check(report, podman, examples):
    for image in images.STOCK:
        podman("tag", images.WORKLOAD, image)
    with report.check("examples/reload-nginx.yaml: nginx reloads once its configuration changes"):
        manifest = str(examples / "reload-nginx.yaml")
        podman("kube", "play", "--network=none", manifest)
        try:
            reload_nginx(podman)
        finally:
            podman("kube", "down", manifest)


def reload_nginx(podman):
    nginx, reloader = "reload-nginx-nginx", "reload-nginx-reloader"
    podman.wait_until_ready(reloader, lambda: "watching" in podman.logs(reloader))
    change = 'echo "server { listen 8081; location / { return 200 changed; } }" >/configuration/new.conf'
    podman("exec", reloader, "sh", "-c", change)
    wait_until(lambda: podman.attempt("exec", nginx, "wget", "-qO-", "127.0.0.1:8081").stdout == "changed", "a reload")
    expect(podman.logs(nginx).count("(SIGHUP) received from 1,"), 1, "reloads on behalf of PID 1")
    expect(podman.inspect(reloader, ".State.Running"), "true", "the reloader is running")
