"""Prints what the file of its argument contains: at the start, and for each SIGHUP and SIGUSR1."""
import os
import signal
import sys

import woken

for number in [signal.SIGHUP, signal.SIGUSR1]:
    signal.signal(number, lambda *_: None)


def say(what):
    try:
        with open(sys.argv[1]) as file:
            content = file.read().strip()
    except OSError as error:
        content = error.strerror
    os.write(1, f"{what} {content}\n".encode())


say("ready")
while True:
    for number in woken.wait():
        say(f"got {number}")
