"""What held and what did not."""
import contextlib
import os
import subprocess
import sys
import time

# Only against hanging for ever: nothing is expected to take anywhere near as long.
WATCHDOG = 120


class Report:
    """`lines` has what went wrong with each line, None if nothing did. No two have the same name."""

    def __init__(self, out=sys.stdout):
        self.out = out
        self.lines = {}
        self.omitted = 0

    def say(self, text):
        print(text, file=self.out, flush=True)

    def ok(self, name):
        self.lines[name] = None
        self.say(f"ok {name}")

    def fail(self, name, why):
        self.lines[name] = why
        # On one line: it may quote a script.
        self.say(f"FAILED {name}: {' '.join(why.split())}")

    def left_out(self, name, why):
        """What a CI machine was to have installed is a failure there."""
        if os.environ.get("CI"):
            self.fail(name, why)
        else:
            self.omitted += 1
            self.say(f"LEFT OUT: {name}: {why}")

    @contextlib.contextmanager
    def part(self, name):
        """A part that counts only if it goes wrong."""
        try:
            yield
        except subprocess.CalledProcessError as error:
            self.fail(name, f"{' '.join(error.cmd[-4:])}: {(error.stderr or '').strip()}")
        except (AssertionError, OSError, subprocess.TimeoutExpired) as error:
            self.fail(name, f"{error}")

    @contextlib.contextmanager
    def check(self, name):
        with self.part(name):
            yield
            self.ok(name)

    def failed(self):
        return {name for name, why in self.lines.items() if why is not None}

    def end(self):
        failed = len(self.failed())
        omitted = f", {self.omitted} left out" if self.omitted else ""
        self.say(f"engines: {len(self.lines) - failed} passed, {failed} failed{omitted}")
        return 1 if failed else 0


def wait_until(condition, what):
    """The first true value of `condition()`."""
    watchdog = time.monotonic() + WATCHDOG
    while not (value := condition()):
        if time.monotonic() > watchdog:
            raise TimeoutError(f"{what}: not after {WATCHDOG} s")
        time.sleep(0.05)
    return value


def expect(found, wanted, what):
    if found != wanted:
        raise AssertionError(f"{what}: {found!r} in place of {wanted!r}")
