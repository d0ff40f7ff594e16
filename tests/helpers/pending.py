"""Sends PID 1, which it is, signals before it executes its arguments: blocked signals stay pending over exec.

The first argument is `from-inside` (a child sends HUP, TERM and 37 twice) or `from-outside` (it prints a line, and waits
for one)."""
import os
import signal
import sys

signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
if sys.argv[1] == "from-inside":
    if os.fork() == 0:
        for number in [1, 15, 37, 37]:
            os.kill(1, number)
        os._exit(0)
    os.wait()
else:
    print("blocked", flush=True)
    sys.stdin.readline()
os.execv(sys.argv[2], sys.argv[2:])
