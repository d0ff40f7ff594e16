"""Waits for signals, and misses none.

Python runs a handler only between two of its instructions. One whose signal arrives right before a system call that waits
runs after that call. The byte that Python's C handler writes to this pipe (signal.set_wakeup_fd) is not missed.
"""
import os
import select
import signal

# Can be read once a signal has arrived.
reader, _writer = os.pipe()
os.set_blocking(_writer, False)
signal.set_wakeup_fd(_writer)


def wait():
    """Waits until a signal has arrived that has a handler; returns its number, and those that arrived with it."""
    return os.read(reader, 64)


def wait_for(file):
    """Waits until `file` can be read. Handlers run meanwhile."""
    while file not in select.select([file, reader], [], [])[0]:
        wait()
