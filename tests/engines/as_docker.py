"""What Docker has for a pod: containers that share the PID namespace of another one."""
import images
from nginx import RELOADED, Nginx
from report import expect


def check(report, docker, pause_image):
    with report.part("docker --pid=container"):
        docker("run", "--detach", "--name=pause", *docker.confine, pause_image)
        docker("run", "--detach", "--name=nginx", "--pid=container:pause", *docker.confine, images.WORKLOAD,
               "nginx", "-g", "daemon off;")
        nginx = Nginx(docker.inspect("nginx", ".State.Pid"), lambda: docker.logs("nginx"))
        with report.check("docker --pid=container: `kill -HUP 1` in nginx's own container reloads nginx once"):
            told = nginx.told_by(lambda script: docker("exec", "nginx", "sh", "-c", script))
            expect(told, RELOADED, "nginx")
        with report.check("docker --pid=container: docker stop of all ends nginx and the pause process with 0"):
            docker("stop", "--time=60", "nginx")
            docker("stop", "--time=60", "pause")
            expect((docker.exit_code("nginx"), docker.exit_code("pause")), (0, 0), "exit codes")
        docker("rm", "--force", "nginx", "pause")
