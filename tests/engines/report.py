"""What held and what did not."""
import contextlib
import os
import subprocess
import time

# Only against hanging for ever: nothing is expected to take anywhere near as long.
WATCHDOG = 120


class Report:
    def __init__(self):
        self.passed = self.failed = 0

    def ok(self, name):
        self.passed += 1
        print(f"ok {name}", flush=True)

    def fail(self, name, why):
        self.failed += 1
        print(f"FAILED {name}: {why}", flush=True)

    def left_out(self, name, why):
        """What a CI machine was to have installed is a failure there."""
        if os.environ.get("CI"):
            self.fail(name, why)
        else:
            print(f"LEFT OUT: {name}: {why}", flush=True)

    @contextlib.contextmanager
    def part(self, name):
        """A part that counts only if it goes wrong."""
        try:
            yield
        except subprocess.CalledProcessError as error:
            self.fail(name, f"{' '.join(error.cmd[-4:])}: {error.stderr.strip()}")
        except (AssertionError, OSError, subprocess.TimeoutExpired) as error:
            self.fail(name, f"{error}")

    @contextlib.contextmanager
    def check(self, name):
        failed = self.failed
        with self.part(name):
            yield
        if self.failed == failed:
            self.ok(name)

    def end(self):
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        return 1 if self.failed else 0


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
