"""On SIGTERM it forks and exits, and its child does the same, DEPTH times.

usage: bomb.py DEPTH
"""
import os
import signal
import sys

import woken

depth = int(sys.argv[1])


def on_term(*_):
    global depth
    # The child inherits the mask: a SIGTERM stays pending until this handler has returned.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    os.write(1, f"received at {depth}\n".encode())
    if depth == 0 or os.fork():
        os._exit(0)
    depth -= 1
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])


os.setsid()
signal.signal(signal.SIGTERM, on_term)
os.write(1, b"ready\n")
while True:
    woken.wait()
