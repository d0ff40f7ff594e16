"""Waits for events that have no file descriptor to wait on."""
import time

# A wait that takes longer has hung. The waits that succeed are far shorter.
WATCHDOG = 120


def wait_until(condition, what):
    """Returns the first true value of `condition()`."""
    watchdog = time.monotonic() + WATCHDOG
    while not (value := condition()):
        if time.monotonic() > watchdog:
            raise AssertionError(f"not in {WATCHDOG} s: {what}")
        time.sleep(0.05)
    return value
