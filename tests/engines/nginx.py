"""An nginx in some container, which says in its log what it is told."""
import os
import pathlib
import signal

import images
from report import wait_until

HUP = f"kill -HUP 1; {images.SETTLED}"
RELOADED = "reloaded once, by the same master"


class Nginx:
    """`master` is its pid as we see it, and `log()` all that it has said so far."""

    def __init__(self, master, log):
        self.master = int(master)
        self.log = log
        wait_until(self.workers, "nginx's workers")

    def workers(self):
        """The pids of its workers once all are there, and no older ones."""
        try:
            workers = pathlib.Path(f"/proc/{self.master}/task/{self.master}/children").read_text().split()
        except FileNotFoundError:
            raise AssertionError(f"nginx has ended: {self.log().strip()[-200:]}") from None
        return set(workers) if len(workers) == images.NGINX_WORKERS else None

    def reloads(self):
        return self.log().count("(SIGHUP) received")

    def told_by(self, execute):
        """What it makes of `execute(HUP)`."""
        before, reloads = wait_until(self.workers, "nginx's workers"), self.reloads()
        execute(HUP)
        self.answers()
        if self.reloads() - reloads != 1:
            return f"{self.reloads() - reloads} reloads"
        # They are the master's children, so they tell that it is still the same.
        wait_until(lambda: (self.workers() or before).isdisjoint(before), "new workers")
        return RELOADED

    def answers(self):
        """Waits until it has dealt with all that it was sent before: then it answers a USR1."""
        status = pathlib.Path(f"/proc/{self.master}/status").read_text()
        pid = status.partition("NSpid:")[2].split("\n")[0].split()[-1]
        answer = f" {pid}#{pid}: reopening logs"
        before = self.log().count(answer)
        os.kill(self.master, signal.SIGUSR1)
        wait_until(lambda: self.log().count(answer) > before, "nginx's answer")
