"""An nginx in a container, which logs each signal that it receives."""
import os
import pathlib
import signal

import images
from processes import status
from scripts import HUP
from waiting import wait_until

RELOADED = "reloaded once, by the same master"


class Nginx:
    """`master` is its pid as seen here, and `log()` its whole log so far."""

    def __init__(self, master, log):
        self.master = int(master)
        self.log = log
        wait_until(self.workers, "nginx's workers")

    def workers(self):
        """The pids of its workers once all are there, and no older ones."""
        try:
            workers = pathlib.Path(f"/proc/{self.master}/task/{self.master}/children").read_text().split()
        except FileNotFoundError:
            raise AssertionError(f"nginx has exited: {self.log().strip()[-200:]}") from None
        return set(workers) if len(workers) == images.NGINX_WORKERS else None

    def reloads(self):
        return self.log().count("(SIGHUP) received")

    def effect_of(self, execute):
        """What nginx does on `execute(HUP)`: RELOADED, or the wrong number of reloads."""
        before, reloads = wait_until(self.workers, "nginx's workers"), self.reloads()
        execute(HUP)
        self.wait_until_settled()
        if self.reloads() - reloads != 1:
            return f"{self.reloads() - reloads} reloads"
        # They are the master's children, so the master is the same process as before.
        wait_until(lambda: (self.workers() or before).isdisjoint(before), "new workers")
        return RELOADED

    def wait_until_settled(self):
        """Waits until it has handled all signals that it was sent before: then it logs a USR1."""
        pid = status(self.master)["NSpid"].split()[-1]
        answer = f" {pid}#{pid}: reopening logs"
        before = self.log().count(answer)
        os.kill(self.master, signal.SIGUSR1)
        wait_until(lambda: self.log().count(answer) > before, "nginx's answer")
