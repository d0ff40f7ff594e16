"""A container's leader that waits for signals in one of the ways that programs do, and prints them.

usage: leader.py NAME handler|thread|none
"""
import os
import signal
import sys
import threading

name, kind = sys.argv[1], sys.argv[2]
SIGNALS = [signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH, signal.SIGTERM, signal.SIGRTMIN + 3]


def say(what):
    os.write(1, f"{name} {what}\n".encode())


def got(number):
    say(f"got {int(number)}")
    if number == signal.SIGTERM:
        os._exit(0)


if kind == "handler":
    for number in SIGNALS:
        signal.signal(number, lambda number, _: got(number))
elif kind == "thread":
    # Blocked in every thread; another one than the first waits, as in mysqld.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)

    def wait():
        while True:
            got(signal.sigwait(SIGNALS))

    threading.Thread(target=wait).start()
say(f"ready {os.getpid()}")
if len(sys.argv) > 3 and sys.argv[3] == "signals-init":
    os.kill(1, signal.SIGHUP)
while True:
    if kind == "thread":
        threading.Event().wait()
    signal.pause()
