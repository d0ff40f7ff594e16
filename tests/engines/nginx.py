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
    """`master` is its pid in the PID namespace of the tests, and `log()` returns its whole log."""

    def __init__(self, master, log):
        self.master = int(master)
        self.log = log
        wait_until(self.workers, "nginx has its workers")

    def workers(self):
        """The pids of its workers, if there are as many as configured."""
        try:
            workers = pathlib.Path(f"/proc/{self.master}/task/{self.master}/children").read_text().split()
        except FileNotFoundError:
            raise AssertionError(f"nginx has exited: {self.log().strip()[-200:]}") from None
        return set(workers) if len(workers) == images.NGINX_WORKERS else None

    def reloads(self):
        return self.log().count("(SIGHUP) received")

    def effect_of(self, execute):
        """Calls `execute(HUP)`, and returns what nginx did: RELOADED, or the wrong number of reloads."""
        before, reloads = wait_until(self.workers, "nginx has its workers"), self.reloads()
        execute(HUP)
        self.wait_until_settled()
        if self.reloads() - reloads != 1:
            return f"{self.reloads() - reloads} reloads"
        # They are children of the master, so the master is the same process as before.
        wait_until(lambda: (self.workers() or before).isdisjoint(before), "nginx has new workers")
        return RELOADED

    def wait_until_settled(self):
        """Waits until it has handled all earlier signals: it logs a SIGUSR1 after them."""
        pid = status(self.master)["NSpid"].split()[-1]
        answer = f" {pid}#{pid}: reopening logs"
        before = self.log().count(answer)
        os.kill(self.master, signal.SIGUSR1)
        wait_until(lambda: self.log().count(answer) > before, "nginx has logged SIGUSR1")
