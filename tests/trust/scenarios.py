"""The runs of podinit that the faults are injected into.

A scenario has the command line of podinit, what the driver does meanwhile (a reaction to each line that the workload
prints and to each report of the injector), and which lines and exit status are the outcome without a fault.
"""

import os
import selectors
import signal
import subprocess
import time
from dataclasses import dataclass, field

# How long a run may take, for each unit of patience: a grace of 5 s, and the waits of the workload. A run without a fault
# takes a tenth of a second.
WATCHDOG = 10
# How long the workload waits for a signal, in milliseconds, for each unit of patience.
WAIT = 2000

PASSWD = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:100::/srv/app:/bin/sh\n"
GROUP = "root:x:0:\nusers:x:100:\nlog:x:4:app\ndata:x:33:app\n"

STARTED = ["started", "orphan reaped", "ready"]


@dataclass
class Scenario:
    """How podinit is started, and the outcome without a fault."""

    name: str
    why: str
    arguments: list  # of podinit; WORKLOAD stands for the workload's path, PODINIT for its own
    lines: list  # what the workload prints, in any order
    status: int = 7
    injector: list = field(default_factory=list)  # the injector's own options
    react: object = None  # called with the run and each line of the workload and of the injector
    has_terminal: bool = False
    called: str = "podinit"
    failures: tuple = (125, 126, 127)  # the statuses of a refused start: init's own, not executable, not found
    quick: bool = True


class Run:
    """One run of a scenario."""

    def __init__(self, scenario, tools, fault=None, patience=1):
        self.scenario, self.tools = scenario, tools
        self.lines, self.errors, self.report = [], b"", []
        self.status = None  # ("exit", N), ("signal", N), ("spin",) or ("hang",)
        self.hits, self.counts, self.pid = 0, {}, None
        self.entered, self.state = [], set()
        self.deadline = time.monotonic() + WATCHDOG * patience
        self.environment = dict(os.environ, TRUST_PATIENCE=str(WAIT * patience), TRUST_PROGRAM=str(tools.podinit))
        for name in ["LISTEN_PID", "PODINIT_LOG", "A"]:
            self.environment.pop(name, None)
        self._start(fault)
        try:
            self._read_all()
        finally:
            self._end()

    def _start(self, fault):
        scenario, tools = self.scenario, self.tools
        self.out, self.out_end = os.pipe()
        self.err, err_end = os.pipe()
        self.reports, report_end = os.pipe()
        stdin = subprocess.DEVNULL
        if scenario.has_terminal:
            self.master, stdin = os.openpty()
        words = [tools.inject, *(word.format(**tools.files) for word in scenario.injector)]
        if fault:
            words += ["-f", fault]
        words += ["--", scenario.called]
        paths = {"WORKLOAD": str(tools.workload), "PODINIT": str(tools.podinit)}
        words += [paths.get(word, word) for word in scenario.arguments]

        def report_is_3():
            os.dup2(report_end, 3)

        self.injector = subprocess.Popen(
            words, stdin=stdin, stdout=self.out_end, stderr=err_end, close_fds=False, preexec_fn=report_is_3,
            env=self.environment, cwd="/",
        )
        for fd in [err_end, report_end]:
            os.close(fd)
        if scenario.has_terminal:
            os.close(stdin)

    def _read_all(self):
        """Reads the pipes until no process has them open."""
        selector = selectors.DefaultSelector()
        texts = {}
        for fd in [self.out, self.err, self.reports]:
            os.set_blocking(fd, False)
            selector.register(fd, selectors.EVENT_READ)
            texts[fd] = b""
        while selector.get_map():
            left = self.deadline - time.monotonic()
            if left <= 0:
                self.status = ("hang",)
                self.injector.kill()
                return
            for key, _ in selector.select(left):
                data = os.read(key.fd, 65536)
                if not data:
                    selector.unregister(key.fd)
                    if key.fd == self.reports:
                        self._close_out_end()
                    continue
                texts[key.fd] += data
                if key.fd == self.err:
                    self.errors = texts[key.fd][:65536]
                    continue
                *lines, texts[key.fd] = texts[key.fd].split(b"\n")
                for line in lines:
                    self._take(key.fd, line.decode(errors="replace"))

    def _take(self, fd, line):
        if fd == self.out:
            self.lines.append(line)
            self.scenario.react(self, line)
            return
        match line.split():
            case ["pid", number]:
                self.pid = int(number)
            case ["exit" | "signal" as how, number]:
                self.status = (how, int(number))
            case ["spin"]:
                self.status = ("spin",)
            case ["hits", number]:
                self.hits = int(number)
            case ["call", role, call, number]:
                self.counts[role, int(call)] = int(number)
            case ["idle"]:
                self.scenario.react(self, "idle")

    def signal(self, number):
        """Sends podinit a signal, from outside its PID namespace."""
        if self.injector.poll() is None:
            self.injector.send_signal(number)

    def enter(self, words, prefix=()):
        """Starts the workload in podinit's namespaces, as a process of a container."""
        words = ["nsenter", "-t", str(self.pid), "-p", "-m", *prefix, str(self.tools.workload), *words]
        self.entered.append(
            subprocess.Popen(words, stdin=subprocess.PIPE, stdout=self.out_end, stderr=subprocess.DEVNULL,
                             env=self.environment, cwd="/")
        )

    def end_entered(self):
        for process in self.entered:
            process.stdin.close()

    def _close_out_end(self):
        if self.out_end is not None:
            os.close(self.out_end)
            self.out_end = None

    def _end(self):
        self._close_out_end()
        for process in self.entered:
            if not process.stdin.closed:
                process.stdin.close()
            process.kill()
            process.wait()
        self.injector.wait()
        for fd in [self.out, self.err, self.reports]:
            os.close(fd)
        if self.scenario.has_terminal:
            os.close(self.master)


def terminate_when_ready(run, line):
    if line == "ready":
        run.signal(signal.SIGTERM)


def with_a_non_child(run, line):
    if line == "ready":
        run.enter(["late"])
    elif line == "late ready":
        run.signal(signal.SIGTERM)


def as_a_pod(run, line):
    """Two containers enter; SIGHUP; SIGTERM from outside; then the containers exit, as when the engine stops them."""
    if line == "idle" and not run.entered:
        run.enter(["leader", "app", "handler"])
        run.enter(["leader", "sidecar"], prefix=["unshare", "-m"])
    elif line.endswith(" ready"):
        run.state.add(line)
        if len(run.state) == 2:
            run.signal(signal.SIGHUP)
    elif line in ("app got 1", "app missed 1"):
        run.signal(signal.SIGTERM)
        run.state.add("stopping")
    elif line == "idle" and "stopping" in run.state:
        run.end_entered()


def do_nothing(_run, _line):
    pass


USER = ["--user", "1000", "--workdir", "/usr", "--env", "A=b"]
IDENTITY = "as 1000 1000 1000, 100 100 100, 4 33, in /usr, A=b HOME=/srv/app"
POD = [f"{name} {what}" for name in ("app", "sidecar") for what in ("orphan reaped", "ready", "flushed")]

SCENARIOS = [
    Scenario("pid1", "init of a container: PID 1, an orphan, a queued signal, TERM, a worker to be terminated at exit",
             ["--", "WORKLOAD", "main", "queue"], [*STARTED, "got 35 with 42", "got 15", "flushed"],
             react=terminate_when_ready),
    Scenario("sub", "the same as a subreaper, not PID 1",
             ["WORKLOAD", "main"], [*STARTED, "got 15", "flushed"], injector=["-w"], react=terminate_when_ready),
    Scenario("user", "--user, --workdir and --env, with groups from /etc/group",
             [*USER, "WORKLOAD", "main", "show"], [*STARTED, IDENTITY, "got 15", "flushed"],
             injector=["-b", "{passwd}:/etc/passwd", "-b", "{group}:/etc/group"], react=terminate_when_ready),
    Scenario("all", "--target all, as PID 1",
             ["--target", "all", "WORKLOAD", "main"], [*STARTED, "got 15", "flushed"], react=terminate_when_ready),
    Scenario("late", "a non-child that is still there when the main process exits",
             ["WORKLOAD", "main"], [*STARTED, "got 15", "flushed", "late ready", "late flushed"],
             react=with_a_non_child),
    Scenario("ns", "--as-pid-1, a second podinit under the first one",
             ["--as-pid-1", "PODINIT", "WORKLOAD", "main"], [*STARTED, "got 15", "flushed"], injector=["-w", "-i"],
             react=terminate_when_ready),
    Scenario("kill", "--kill-after and --grace: neither the main process nor a worker exits on SIGTERM",
             ["--kill-after", "500ms", "--grace", "50ms", "WORKLOAD", "main", "stubborn"], [*STARTED, "got 15"],
             status=137, injector=["-w"], react=terminate_when_ready),
    Scenario("tty", "a job of a shell, in the foreground of a terminal",
             ["WORKLOAD", "main", "terminal"], [*STARTED, "got 15", "flushed"], injector=["-w", "-t"],
             react=terminate_when_ready, has_terminal=True, quick=False),
    Scenario("die", "--die-alike, a main process that is killed",
             ["--die-alike", "WORKLOAD", "main", "die"], [*STARTED, "got 15", "flushed"], status=("signal", 9),
             injector=["-w"], react=terminate_when_ready, quick=False),
    Scenario("dumb", "called dumb-init: a session for the workload, and no wait at exit",
             ["WORKLOAD", "main"], [*STARTED, "got 15"], react=terminate_when_ready, called="dumb-init", failures=(1, 2, 2),
             quick=False),
    Scenario("gone", "a program that does not exist",
             ["/nonexistent"], [], status=127, react=do_nothing),
    Scenario("pause", "pod mode: two containers, HUP, TERM from outside",
             ["--pause"], [*POD, "app got 1"], status=0, react=as_a_pod),
]
