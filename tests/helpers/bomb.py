"""Asked to stop, it forks and ends, and its child does the same, DEPTH times.

usage: bomb.py DEPTH
"""
import os
import signal
import sys

depth = int(sys.argv[1])


def told(*_):
    global depth
    # Its child inherits the mask, and must not be told in the middle of this.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    os.write(1, f"told at {depth}\n".encode())
    if depth == 0 or os.fork():
        os._exit(0)
    depth -= 1
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])


os.setsid()
signal.signal(signal.SIGTERM, told)
os.write(1, b"ready\n")
while True:
    signal.pause()
