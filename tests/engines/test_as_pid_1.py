"""`podinit --as-pid-1` in pods with a shared PID namespace: programs that insist on PID 1, and what it takes."""
import contextlib
import os
import signal

import pytest

import images
import insisting
import scripts
from processes import children, status
from waiting import wait_until

pytestmark = pytest.mark.engines("podman", "containerd")

AS_PID_1 = ("/podinit", "--as-pid-1", "--")
SYS_ADMIN = {"capabilities": {"add": ["SYS_ADMIN"]}}
UNCONFINED = {"seccompProfile": {"type": "Unconfined"}}
UNMASKED = {"procMount": "Unmasked"}
# Not by the shell's two dollar signs, of which podman 5 makes one, as Kubernetes does.
PID = "read -r pid others </proc/self/stat"
# As s6-overlay's /init says it.
INSISTS = f'{PID}; [ $pid = 1 ] || {{ echo "can only run as pid 1"; exit 100; }}\n'
# An orphan's parent, and what signals do.
PROGRAM = INSISTS + """
trap 'echo "HUP received"' HUP
trap 'echo "TERM received"; exit 7' TERM
orphan=$(sh -c 'sleep 1000000 >/dev/null & echo $!')
echo "its orphan's parent is $(sed -n 's/^PPid:.//p' /proc/$orphan/status)"
while :; do sleep 0.1 & wait $!; done
"""
ITS_PID = f"{PID}; echo /proc/[0-9]* $pid $(id -u)"


@pytest.fixture
def start(engine, podman, pause):
    """Starts a pod, which is removed at the end of the test."""
    if engine.NAME != "containerd":
        engine("tag", pause, images.INFRA)
    with contextlib.ExitStack() as pods:
        yield lambda *command, **fields: pods.enter_context(insisting.pod(engine, *command, **fields))


@pytest.fixture
def program(start):
    """A pod with PROGRAM that is ready."""
    pod = start(*AS_PID_1, "sh", "-c", PROGRAM, context=SYS_ADMIN)
    pod.wait_for_log("its orphan's parent is ")
    return pod


def test_a_program_that_insists_on_pid_1(start):
    """It refuses without --as-pid-1, runs with it, and its exit status is the container's."""
    code, log = start("/podinit", "--", "sh", "-c", INSISTS, context=SYS_ADMIN).result()
    assert (code, "can only run as pid 1" in log) == (100, True)
    code, log = start(*AS_PID_1, "sh", "-c", f"{INSISTS}echo it runs; exit 5", context=SYS_ADMIN).result()
    assert (code, "it runs" in log) == (5, True)


def test_an_orphan_inside_is_its_own(program):
    """An orphan inside is a child of the program."""
    program.wait_for_log("its orphan's parent is 1\n")


def test_nspid_shows_the_nesting(program):
    """NSpid has one more pid for the program than for podinit: 1."""
    podinit, nested = (status(pid)["NSpid"].split() for pid in (program.pid("app"), program.nested()))
    assert (len(nested) - len(podinit), nested[-1]) == (1, "1")
    seen_in_the_pod = program.execute("app", f"grep NSpid: /proc/{nested[-2]}/status")
    assert seen_in_the_pod.split() == ["NSpid:", *nested[-2:]]


def test_hup_to_pid_1_inside_reaches_the_program(program):
    """`kill -HUP 1` in the nested namespace reaches the program."""
    pid = status(program.nested())["NSpid"].split()[-2]
    program.execute("app", f"nsenter -t {pid} -m -p -- sh -c 'kill -HUP 1'")
    program.wait_for_log("HUP received")


def test_hup_to_pid_1_of_the_pod_reaches_the_program(program):
    """`kill -HUP 1` in an exec session, whose PID 1 is the pause process, reaches the program."""
    program.execute("app", scripts.HUP)
    program.wait_for_log("HUP received")
    assert program.log().count("HUP received") == 1


def test_stop_ends_it_in_good_order(program):
    """The engine's SIGTERM reaches the program, whose exit status is the container's."""
    program.stop_app()
    code, log = program.result()
    assert (code, "TERM received" in log, "podinit" in log) == (7, True, False), log


def test_stop_without_a_handler_ends_in_a_kill(start):
    """A program without a handler of SIGTERM is killed by podinit after --grace, not by the engine."""
    options = ("/podinit", "--grace", "100ms", "--as-pid-1", "--")
    pod = start(*options, "sh", "-c", "echo ready; exec sleep 1000000", context=SYS_ADMIN)
    pod.wait_for_log("ready")
    pod.stop_app()
    code, log = pod.result()
    assert (code, "time is up: killed the main process" in log) == (128 + signal.SIGKILL, True), log


def test_s6_supervises_a_service(start, s6):
    """Debian's s6 as PID 1: its service is started again after it was killed, and SIGTERM stops both with 0."""
    service = '#!/bin/sh\\necho "up, of $(cat /proc/1/comm)"\\nexec sleep 1000000\\n'
    script = f"""{INSISTS}
    mkdir -p /services/app
    printf '{service}' >/services/app/run
    printf '#!/bin/sh\\necho down\\n' >/services/app/finish
    chmod +x /services/app/*
    exec s6-svscan /services"""
    pod = start(*AS_PID_1, "sh", "-c", script, context=SYS_ADMIN, image=s6)
    pod.wait_for_log("up, of s6-svscan")
    supervisor, = children(pod.nested())
    service, = children(supervisor)
    os.kill(service, signal.SIGKILL)
    wait_until(lambda: pod.log().count("up, of s6-svscan") == 2, "the service is started again")
    pod.stop_app()
    code, log = pod.result()
    assert (code, log.count("down"), "podinit" in log) == (0, 2, False), log


TAKES_SYS_ADMIN = "it takes CAP_SYS_ADMIN (as root, securityContext.capabilities.add: [SYS_ADMIN]), or"
FILTERED = f"new namespaces: Operation not permitted: {TAKES_SYS_ADMIN} no seccomp filter \
(securityContext.seccompProfile.type: Unconfined)"
MASKED = f"mounting its /proc: Operation not permitted: {TAKES_SYS_ADMIN} a /proc of which no part is masked \
(securityContext.procMount: Unmasked)"
NO_SETFCAP = f"a user namespace with its uid and gid: Operation not permitted: {TAKES_SYS_ADMIN} for root CAP_SETFCAP"
NONE = {"capabilities": {"drop": ["ALL"]}}
AS_USER = {"runAsUser": 1000, **NONE}
SETFCAP = {"capabilities": {"drop": ["ALL"], "add": ["SETFCAP"]}}


def with_name(name, *values):
    return pytest.param(*values, id=name)


@pytest.mark.engines("containerd")
@pytest.mark.parametrize(("context", "missing"), [
    with_name("default", {}, FILTERED),
    with_name("unmasked", UNMASKED, FILTERED),
    with_name("unconfined", UNCONFINED, MASKED),
    with_name("user", AS_USER, FILTERED),
    with_name("user-unconfined", AS_USER | UNCONFINED, MASKED),
    # What is added is not in the effective set of a user who is not root.
    with_name("user-sys-admin", {"runAsUser": 1000, **SYS_ADMIN}, MASKED),
    with_name("no-setfcap", NONE | UNCONFINED | UNMASKED, NO_SETFCAP),
])
def test_what_is_missing_is_named(start, context, missing):
    """One line that names what is missing, and the field of the manifest that gives it."""
    assert_is_named(start, context, missing)


@pytest.mark.engines("podman", "rootless")
@pytest.mark.parametrize(("context", "missing"), [
    with_name("default", {}, MASKED),
    with_name("user", AS_USER, MASKED),
    with_name("no-setfcap", NONE, NO_SETFCAP),
])
def test_what_is_missing_is_named_where_the_filter_permits_user_namespaces(start, context, missing):
    """The same with podman's seccomp filter."""
    assert_is_named(start, context, missing)


def assert_is_named(start, context, missing):
    code, log = start(*AS_PID_1, "sh", "-c", ITS_PID, context=context).result()
    assert (code, log.count("\n")) == (125, 1), log
    assert f'cannot start "sh" as PID 1: {missing}' in log


@pytest.mark.engines("podman", "rootless", "containerd")
@pytest.mark.parametrize("context", [
    with_name("with-others", SYS_ADMIN),
    with_name("alone", {"capabilities": {"drop": ["ALL"], "add": ["SYS_ADMIN"]}}),
])
def test_sys_admin_gives_it(start, context):
    """With SYS_ADMIN the program is PID 1, and /proc has no other process."""
    assert_is_pid_1(start, context)


@pytest.mark.engines("containerd")
@pytest.mark.parametrize("context", [
    with_name("root", UNCONFINED | UNMASKED),
    with_name("user", AS_USER | UNCONFINED | UNMASKED),
    with_name("setfcap", SETFCAP | UNCONFINED | UNMASKED),
])
def test_without_sys_admin_an_unmasked_proc_and_no_filter_give_it(start, context):
    """Without SYS_ADMIN by a user namespace: with seccompProfile Unconfined and procMount Unmasked."""
    assert_is_pid_1(start, context)


@pytest.mark.engines("podman", "rootless")
def test_podman_gives_sys_admin_to_users_too(start):
    """With runAsUser and SYS_ADMIN: in podman the capability is the user's."""
    assert_is_pid_1(start, {"runAsUser": 1000, **SYS_ADMIN})


def assert_is_pid_1(start, context):
    code, log = start(*AS_PID_1, "sh", "-c", f"{ITS_PID}; exit 5", context=context).result()
    assert (code, log.split()[-3:]) == (5, ["/proc/1", "1", str(context.get("runAsUser", 0))]), log


@pytest.mark.engines("podman", "rootless")
def test_without_sys_admin_podman_has_an_option(engine):
    """--security-opt unmask=ALL gives it too, where podman's kube play has no procMount."""
    options = ("--rm", "--security-opt=unmask=ALL", *engine.confine)
    assert engine("run", *options, images.WITH_PODINIT, *AS_PID_1, "sh", "-c", ITS_PID) == "/proc/1 1 0"
