"""Prints what the file of its argument contains: at the start, and for each SIGHUP and SIGUSR1."""
import os
import signal
import sys

reader, writer = os.pipe()
os.set_blocking(writer, False)
signal.set_wakeup_fd(writer)
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
    for number in os.read(reader, 100):
        say(f"got {number}")
