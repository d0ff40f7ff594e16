"""A program on a terminal of its own."""
import os
import pty
import subprocess


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
        # Not SIGTERM: docker forwards it, and a shell at a terminal ignores it.
        self.program.kill()
        self.program.wait()

    def type(self, keys):
        os.write(self.keyboard, keys.encode())

    def wait_for(self, text):
        while text not in self.seen:
            if not self.read():
                raise AssertionError(f"{text!r} was not printed: {self.seen!r}")

    def read(self):
        """False once no process has the terminal open."""
        try:
            self.seen += os.read(self.keyboard, 4096).decode(errors="replace")
        except OSError:
            return False
        return True

    def exit_status(self):
        while self.read():
            pass
        return self.program.wait()
