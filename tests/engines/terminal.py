"""A program in a terminal, as somebody at a keyboard has it."""
import os
import pty
import select
import subprocess
import time

from report import WATCHDOG


class Terminal:
    def __init__(self, command):
        self.command = command
        self.seen = ""

    def __enter__(self):
        self.keyboard, terminal = pty.openpty()
        self.program = subprocess.Popen(self.command, stdin=terminal, stdout=terminal, stderr=terminal,
                                        start_new_session=True)
        os.close(terminal)
        return self

    def __exit__(self, *_):
        os.close(self.keyboard)
        # Should it still be there: docker passes a TERM on, and a shell at a terminal ignores it.
        self.program.kill()
        self.program.wait()

    def type(self, keys):
        os.write(self.keyboard, keys.encode())

    def wait_for(self, text):
        watchdog = time.monotonic() + WATCHDOG
        while text not in self.seen:
            if not select.select([self.keyboard], [], [], max(0, watchdog - time.monotonic()))[0]:
                raise TimeoutError(f"{text!r} not on the terminal after {WATCHDOG} s: {self.seen!r}")
            if not self.read():
                raise AssertionError(f"{text!r} not on the terminal: {self.seen!r}")

    def read(self):
        """False once nobody has the terminal open any more."""
        try:
            self.seen += os.read(self.keyboard, 4096).decode(errors="replace")
        except OSError:
            return False
        return True

    def exit_status(self):
        while self.read():
            pass
        return self.program.wait(WATCHDOG)
