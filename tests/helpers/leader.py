"""A container leader that waits for signals in one of the ways that programs do, and prints each.

usage: leader.py NAME handler|faults|thread|none [signals-init|answers]
  handler       has handlers
  faults        has handlers, also of the signals of a fault
  thread        blocks the signals and waits for them in a second thread
  none          does not handle signals
  signals-init  sends SIGHUP to PID 1 once it is ready
  answers       sends SIGTERM to PID 1 for each SIGTERM that it receives, and does not exit
"""
import os
import signal
import sys
import threading

import woken

name, kind = sys.argv[1], sys.argv[2]
SIGNALS = [signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH, signal.SIGTERM, signal.SIGRTMIN + 3]
SIGNALS += [signal.SIGCONT, signal.SIGIO, signal.SIGURG]


def say(what):
    os.write(1, f"{name} {what}\n".encode())


def got(number):
    say(f"got {int(number)}")
    if number == signal.SIGTERM:
        if "answers" not in sys.argv:
            os._exit(0)
        os.kill(1, signal.SIGTERM)
        say("answered")


if kind == "faults":
    SIGNALS = [signal.SIGHUP, signal.SIGRTMIN + 3, signal.SIGILL, signal.SIGTRAP, signal.SIGBUS, signal.SIGFPE]
    SIGNALS += [signal.SIGSEGV, signal.SIGSYS]
    kind = "handler"
if kind == "handler":
    for number in SIGNALS:
        signal.signal(number, lambda *_: None)
elif kind == "thread":
    # Blocked in every thread. The thread that waits is not the first one, as in mysqld.
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
    elif kind == "handler":
        for number in woken.wait():
            got(number)
    else:
        signal.pause()
