"""`--termination-log` in a pod of containerd: the message that kubelet would show (kubelet.py has its rules)."""
import itertools

import pytest

import images
import kubelet
from cri_pod import CriPod
from waiting import wait_until

EXITED = "podinit: the main process has exited: "
# As the restricted pod security standard has it, and no file of the root can be written.
RESTRICTED = {
    "runAsUser": 1000,
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
NAMES = itertools.count()


@pytest.fixture(scope="module")
def pod(containerd):
    containerd.import_once(images.WITH_PODINIT)
    with CriPod(containerd) as pod:
        yield pod


@pytest.fixture
def start(pod):
    """Starts a container with podinit, and returns its name."""
    def run(*words, options=("--termination-log",), **fields):
        name = f"app{next(NAMES)}"
        pod.run(name, "/podinit", *options, "--", *words, image=images.WITH_PODINIT,
                more_mounts=[kubelet.mount(pod.containerd.directory)], **fields)
        return name

    return run


def test_how_the_program_exited(pod, start):
    """Of any user, with a root that is read-only, and without a capability."""
    for context in ({}, RESTRICTED):
        name = start("sh", "-c", "exit 3", context=context)
        assert kubelet.message(pod, name) == (3, f"{EXITED}exit code 3\n"), context


def test_a_program_that_is_stopped(pod, start):
    """StopContainer, and the grace is over for one process."""
    script = "trap 'exit 4' TERM; (trap '' TERM; echo ready; while :; do sleep 1; done) & while :; do sleep 0.1; done"
    name = start("sh", "-c", script, options=("--termination-log", "--grace=200ms"))
    wait_until(lambda: "ready" in pod.log(name), "the program's log")
    pod.stop_container(name)
    code, message = kubelet.message(pod, name)
    assert code == 4 and message.startswith(f"{EXITED}exit code 4; time is up: killed "), message


def test_why_a_program_was_not_started(pod, start):
    """The line of the log, also with another policy."""
    for policy in ("File", "FallbackToLogsOnError"):
        code, message = kubelet.message(pod, start("/nosuch"), policy)
        assert (code, message) == (127, 'podinit: cannot execute "/nosuch": No such file or directory\n')


def test_it_stands_behind_what_the_program_wrote(pod, start):
    """kubelet reads the end of a file that is too long for it."""
    name = start("sh", "-c", f"head -c 5000 /dev/zero | tr '\\0' x >{kubelet.PATH}; exit 3")
    line = f"\n{EXITED}exit code 3\n"
    assert kubelet.message(pod, name) == (3, "x" * (kubelet.LONGEST - len(line)) + line)


def test_a_long_message_is_utf8(pod, start):
    """podinit's own line is cut off between two characters."""
    for begin in ("/", "/x"):
        code, message = kubelet.message(pod, start(begin + "\u00e9" * 2500))
        # File name too long.
        assert code in (126, 127) and message.startswith('podinit: cannot execute "/'), message
        assert kubelet.LONGEST - 1 <= len(message.encode()) <= kubelet.LONGEST


def test_the_log_is_the_message_without_the_option(pod, start):
    """With FallbackToLogsOnError; with the option it is podinit's line."""
    for options, expected in [((), "of the log\n"), (("--termination-log",), f"{EXITED}exit code 3\n")]:
        name = start("sh", "-c", "echo of the log; exit 3", options=options)
        assert kubelet.message(pod, name, "FallbackToLogsOnError") == (3, expected)


def test_a_child_that_the_kernel_killed_for_want_of_memory(pod, start):
    """The container's memory limit."""
    script = "dd if=/dev/zero of=/dev/null bs=200M count=1; echo $?; exit 3"
    name = start("sh", "-c", script, memory=64 << 20)
    code, message = kubelet.message(pod, name)
    assert (code, message) == (3, f"{EXITED}exit code 3; OOM kills in the memory cgroup: 1\n"), pod.log(name)
    assert "137" in pod.log(name)
