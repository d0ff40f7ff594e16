"""What is measured: inits, each by a command line that people type."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

# Command lines of podinit: a name that it is called by, and the words before the program's.
PODINIT = ["podinit --", "podinit -g --grace 20s --", "tini --", "tini -g --", "dumb-init", "docker-init --"]
PEERS = ["tini-static --", "tini-static -g --", "dumb-init", "catatonit --"]

# Those without a program.
PAUSES = ["pause", "podinit --pause"]

# Makes tini a subreaper where it is not PID 1, as the other inits are, so that it does not warn.
ENVIRONMENT = dict(os.environ, TINI_SUBREAPER="")


class Form:
    """An init by one command line, to be measured as PID 1 of a PID namespace."""

    def __init__(self, name, path, words):
        self.name = name
        self.command = [str(path), *words]
        self.size = os.stat(path).st_size
        self.pings, self.storm_pings, self.reap_costs, self.reap_switches = [], [], [], []

    def launch(self, *workload):
        self.is_pause = not workload
        user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        self.unshare = subprocess.Popen(
            ["unshare", *user, "--fork", "--kill-child", "--pid", "--mount-proc", *self.command, *workload],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        if workload and self.unshare.stdout.readline() != "ready\n":
            sys.exit(f"run: {self.name} did not start its workload as PID 1")
        while not (pids := children(self.unshare.pid)) or self.is_unshare(pids[0]):
            time.sleep(0.001)
        [self.pid] = pids

    def is_unshare(self, pid):
        """Whether this child has not executed the init yet."""
        return os.readlink(f"/proc/{pid}/exe") != os.path.realpath(self.command[0])

    def send(self, command):
        self.unshare.stdin.write(command + "\n")
        self.unshare.stdin.flush()
        return self.unshare.stdout.readline()

    def proc(self, file):
        return Path(f"/proc/{self.pid}/{file}").read_text()

    def memory(self):
        """RSS and private dirty, in KiB."""
        sizes = dict(re.findall(r"^(\w+): +(\d+) kB", self.proc("smaps_rollup"), re.M))
        return int(sizes["Rss"]), int(sizes["Private_Dirty"])

    def switches(self):
        return sum(map(int, re.findall(r"ctxt_switches:\s+(\d+)", self.proc("status"))))

    def cpu_ns(self):
        return int(self.proc("schedstat").split()[0])

    def ping(self, count):
        self.pings += map(int, self.send(f"ping {count}").split())

    def storm(self, count):
        self.storm_pings += map(int, self.send(f"storm {count}").split())

    def reap(self, count):
        cpu, switches = self.cpu_ns(), self.switches()
        self.send(f"orphans {count}")
        while len(children(self.pid)) > 1:
            time.sleep(0.001)
        self.reap_costs.append((self.cpu_ns() - cpu) / count)
        self.reap_switches.append((self.switches() - switches) / count)

    def finish(self):
        """Ends a workload by the end of its stdin, and a pause process by SIGKILL."""
        self.unshare.stdin.close()
        if self.is_pause:
            os.kill(self.pid, signal.SIGKILL)
        self.unshare.wait()


def children(pid):
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def of_podinit(path, forms, folder):
    """podinit at `path` by each of `forms`; its names are links in `folder`."""
    for form in forms:
        name, *words = form.split()
        link = Path(folder, path.replace("/", "-"), name)
        link.parent.mkdir(exist_ok=True)
        if not link.exists():
            link.symlink_to(ROOT / path)
        yield Form(f"{path}: `{form}`", link, words)


def find_forms(more, folder):
    """podinit's binaries that are built, the peers that are installed, and `more`, a path and words each."""
    if (ROOT / "dist/podinit").exists():
        yield from of_podinit("dist/podinit", PODINIT, folder)
    if (ROOT / "target/release/podinit").exists():
        yield from of_podinit("target/release/podinit", PODINIT[:1], folder)
    for peer in PEERS:
        name, *words = peer.split()
        if (Path("/usr/bin") / name).exists():
            yield Form(f"`{peer}`", Path("/usr/bin") / name, words)
        else:
            print(f"skipped: {name} is not installed", file=sys.stderr)
    for form in more:
        path, *words = form.split()
        yield Form(f"`{form}`", Path(path).resolve(), words)


def find_pauses(folder):
    """The pause processes: podinit's, and catatonit's, which podman has."""
    if (ROOT / "dist/podinit").exists():
        yield from of_podinit("dist/podinit", PAUSES, folder)
    if Path("/usr/bin/catatonit").exists():
        yield Form("`catatonit -P`", "/usr/bin/catatonit", ["-P"])
