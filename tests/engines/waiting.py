"""Waits for events that have no file descriptor to wait on."""
import time

# Only against hanging for ever: nothing is expected to take anywhere near as long.
WATCHDOG = 120


def wait_until(condition, what):
    """Returns the first true value of `condition()`."""
    watchdog = time.monotonic() + WATCHDOG
    while not (value := condition()):
        if time.monotonic() > watchdog:
            raise AssertionError(f"{what}: not after {WATCHDOG} s")
        time.sleep(0.05)
    return value
