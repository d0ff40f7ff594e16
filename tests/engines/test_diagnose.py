"""`podinit --diagnose` in real pods: what README.md shows of it, and its commands there."""
import os
import subprocess

import pytest

import images
from containerd import Containerd
from cri_pod import RESTRICTED, CriPod
from diagnosed import DIAGNOSE, JSON, UID, Diagnosis, assert_readme_has, check, readme_commands, start_all, words
from managed import Managed
from needs import require
from processes import wait_until_idle

# Without a handler for SIGHUP the asker's container is not the receiver's.
ALL = ["nginx", "python3"]


class InPodman(Managed):
    """The pod, with an exec session in nginx's container."""

    def __init__(self, podman, infra_image):
        self.podman = podman
        self.infra_image = infra_image
        self.name = podman.name("diagnosed")
        self.session = None

    def full(self, name):
        return f"{self.name}-{name}"

    def start(self):
        infra = self.podman.pod(self.name, self.infra_image)
        start_all(self.run, self.pid, lambda name: self.podman.logs(self.full(name)))
        wait_until_idle(self.podman.pid(infra), "pause")
        self.session = subprocess.Popen([*self.podman.command, "exec", "--interactive", self.full("nginx"), "sh"],
                                        text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.session.stdin.write("echo ready\n")
        self.session.stdin.flush()
        self.session.stdout.readline()

    def run(self, name, command, image, user, host):
        options = [f"--volume={path}:{inside}:ro" for inside, path in host.items()]
        self.podman("run", "--detach", f"--pod={self.name}", f"--name={self.full(name)}", *self.podman.confine, *options,
                    *([f"--user={user}:{user}"] if user else []), image, *command)

    def pid(self, name):
        return self.podman.pid(self.full(name))

    def remove(self):
        if self.session:
            self.session.communicate()
        self.podman.attempt("pod", "rm", "--force", "--time=0", self.name)

    def exec(self, *words, options=()):
        """`--diagnose` in an exec session in the sidecar's container."""
        return found(self.podman.attempt("exec", *options, self.full("sidecar"), *words))

    def debug(self, *options):
        """`--diagnose --json` in a container of its own, of an image that has podinit alone."""
        return found(self.podman.attempt("run", "--rm", f"--pod={self.name}", *self.podman.confine, *options,
                                         images.PODINIT, *JSON[1:]))


class InCri(CriPod):
    """The pod by the Container Runtime Interface."""

    def __enter__(self):
        super().__enter__()
        try:
            for image in (images.WITH_PODINIT, images.PODINIT):
                self.containerd.import_once(image)
            start_all(self.start, self.pid, self.log)
        except BaseException:
            self.__exit__()
            raise
        return self

    def start(self, name, command, image, user, host):
        self.run(name, *command, image=image, read_only=host, context=RESTRICTED | ({"runAsUser": user} if user else {}))

    def exec(self, *words):
        """`--diagnose` by ExecSync in the sidecar's container."""
        done = self.attempt("sidecar", *words)
        assert (done.exit_code, done.stderr) == (1, b""), f"exit status {done.exit_code}: {done.stderr}"
        return done.stdout.decode()

    def output(self, name):
        """The standard output of a container that has exited after it has found something."""
        assert self.exit_code(name) == 1
        # A line of the log: the time, the stream, whether its line is a part (P) or full (F), the text.
        return "".join(line.split(" ", 3)[3] for line in self.log(name).splitlines()) + "\n"


def found(done):
    """The output of a `--diagnose` that has found something."""
    assert (done.returncode, done.stderr) == (1, ""), f"exit status {done.returncode}: {done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def is_podinit(pytestconfig):
    if pytestconfig.option.pause:
        pytest.skip("podinit is not the pause process")


@pytest.fixture(scope="module")
def pod(is_podinit, podman, pause):
    with InPodman(podman, pause) as pod:
        yield pod


# For one test: the nginx of two such pods would listen on the same port, since their network is the node's.
@pytest.fixture
def cri_pod(is_podinit, containerd):
    with InCri(containerd) as pod:
        yield pod


def test_readme_has_the_output_of_podman(pod):
    """README.md has what is printed in a pod of podman with podinit as PID 1."""
    assert_readme_has(pod.exec(*DIAGNOSE))


def test_readme_has_the_lines_of_a_bare_pause(pod, podman, bare_pause):
    """README.md has the lines that are others in such a pod with a pause process as Kubernetes' own."""
    with InPodman(podman, images.pause(bare_pause)) as bare:
        texts = [of.exec(*DIAGNOSE).splitlines() for of in (pod, bare)]
    lines, others = ([words(line) for line in text] for text in texts)
    assert_readme_has("\n\n".join(["", "\n".join(line for line in texts[1] if words(line) not in lines), ""]))
    assert [line for line in lines if line not in others] == [
        "PID N: pause (podinit-pause), uid N",
        "kill -HUP N: forwarded to PID N (pythonN): handled",
        "not read: /proc/N/exe",
    ]


def test_podman(pod):
    """Its own container receives the HUP."""
    check(Diagnosis(pod.exec(*JSON)), ["python3"])


def test_podman_from_an_image_with_podinit_alone(pod):
    """From a container of its own, as by `kubectl debug`, the HUP is for all that handle it."""
    check(Diagnosis(pod.debug()), ALL)


def test_podman_as_uid_1000(pod):
    """As uid 1000 it may not signal those of root, and says so of each."""
    found = Diagnosis(pod.exec(*JSON, options=[f"--user={UID}"]))
    check(found, ["python3"])
    denied = [one["name"] for one in found.all["processes"] if not one["may_signal"]]
    assert sorted(set(denied)) == ["nginx", "python3", "sh", "sleep"]
    assert found.leader("sh")["may_signal"] and "permission" in found.findings()


def test_podman_with_hidepid(pod):
    """With hidepid=2 it names what it cannot see, and shows its own user's."""
    found = Diagnosis(pod.debug(f"--user={UID}:{UID}", "--security-opt=proc-opts=hidepid=2"))
    assert (found.pid_1["name"], found.pid_1["kind"], found.pid_1["hup"]) == ("?", "unknown", "unknown")
    assert [one["name"] for one in found.all["processes"] if one["role"] == "leader"] == ["sh"]
    assert "hidden" in found.findings() and found.findings()["stopped"] == ["sleep"]


def test_nsenter_as_in_readme(pod):
    """README.md's command for the node."""
    require(["nsenter", "unshare"])
    command, = readme_commands("nsenter")
    done = subprocess.run(command.replace("PID", str(pod.pid("sidecar")), 1), shell=True, capture_output=True, text=True)
    # nsenter stays in its own cgroup, so it is in no container of the pod.
    assert "forwarded to PID" in found(done) and "(python3): handled" in found(done)
    assert_readme_has(found(done).split("\n\n")[1])


def test_nsenter_with_another_mount_namespace(pod, podinit):
    """Without the container's mounts it needs a /proc of the PID namespace, and says so in one line."""
    require(["nsenter", "unshare"])
    enter = ["nsenter", "-t", str(pod.pid("sidecar")), "-p"]
    own = subprocess.run([*enter, "unshare", "--mount-proc", podinit, *JSON[1:]], capture_output=True, text=True)
    check(Diagnosis(found(own)), ALL)
    for without in (enter, [*enter, "unshare", "-m", "sh", "-c", 'umount -l /proc; exec "$@"', "sh"]):
        done = subprocess.run([*without, podinit, *DIAGNOSE[1:]], capture_output=True, text=True)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (125, "", 1), done
        assert "mount -t proc" in done.stderr


def test_cri(cri_pod):
    """By ExecSync, as `kubectl exec` does: it finds what it finds in podman."""
    check(Diagnosis(cri_pod.exec(*JSON)), ["python3"])


def test_cri_with_a_bare_pause(podman, bare_pause, scratch):
    """With a pause process as Kubernetes' own, its remedy for a HUP has the pid of the own container's leader."""
    require(Containerd.NEEDS, Containerd.MODULES)
    with Containerd(scratch / podman.name("containerd"), podman, images.pause(bare_pause)) as containerd:
        with InCri(containerd) as pod:
            found = Diagnosis(pod.exec(*JSON))
            assert (found.pid_1["kind"], found.pid_1["hup"], found.receivers()) == ("pause", "dropped", [])
            assert "(python3)" in next(one["remedy"] for one in found.all["findings"] if one["key"] == "hup")


def test_kubectl_as_in_readme(cri_pod):
    """README.md's kubectl lines, by the calls of the CRI that kubelet makes for them."""
    lines = {command.split()[1]: command.split() for command in readme_commands("kubectl")}
    assert sorted(lines) == ["debug", "exec"]
    # kubectl exec POD -c CONTAINER -- COMMAND
    line = lines["exec"]
    check(Diagnosis(cri_pod.exec(*line[line.index("--") + 1:], "--json")), ["python3"])
    # kubectl debug: an ephemeral container, in the PID namespace of the container of --target.
    line = lines["debug"]
    assert [word.partition("=")[0] for word in line if word.startswith("--") and word != "--"] == \
        ["--image", "--target", "--diagnose"]
    cri_pod.run("debugger", *line[line.index("--") + 1:], "--json", image=images.PODINIT, target="sidecar")
    check(Diagnosis(cri_pod.output("debugger")), ALL)


def test_cri_as_uid_1000(cri_pod):
    """In a container of uid 1000."""
    cri_pod.run("user", *JSON, image=images.PODINIT, context=RESTRICTED | {"runAsUser": UID})
    found = Diagnosis(cri_pod.output("user"))
    assert found.all["uid"] == UID
    assert found.leader("sh")["may_signal"] and not found.leader("nginx")["may_signal"]


def test_docker_as_in_readme(is_podinit, docker, pause, request):
    """README.md's commands for Docker, in containers that share a PID namespace."""
    names = {}

    def run(name, command, image, user, host):
        options = [f"--volume={path}:{inside}:ro" for inside, path in host.items()]
        container = docker.container(f"--pid=container:{infra}", *options, *([f"--user={user}"] if user else []), image,
                                     *command)
        names[name] = container.__enter__()
        request.addfinalizer(lambda: container.__exit__(None, None, None))

    docker("tag", images.PODINIT, "podinit")
    with docker.container(pause) as infra:
        wait_until_idle(docker.pid(infra), "pause")
        start_all(run, lambda name: docker.pid(names[name]), lambda name: docker.logs(names[name]))
        environment = {**os.environ, "DOCKER_HOST": docker.socket}
        for command in readme_commands("docker"):
            line = command.replace("CONTAINER", names["sidecar"]) + " --json"
            done = subprocess.run(line, shell=True, capture_output=True, text=True, env=environment)
            # Docker's own: its daemon has no network here.
            done.stderr = done.stderr.replace("WARNING: IPv4 forwarding is disabled. Networking will not work.\n", "")
            check(Diagnosis(found(done)), ["python3"] if " exec " in command else ALL)
        done = docker.attempt("run", "--rm", *docker.confine, f"--user={UID}", f"--pid=container:{infra}", "podinit",
                              *JSON[1:])
        assert not Diagnosis(found(done)).leader("nginx")["may_signal"]
