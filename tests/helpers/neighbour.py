"""Forks children as fast as it can. They exit at once, and half of them have forked an orphan. Their names look like
fields of /proc/PID/stat and /proc/PID/status."""
import os

NAMES = ["x) R 0 1 1", "a\nSigCgt: ffff", "1) S 0"]

os.write(1, b"ready\n")
n = 0
while True:
    n += 1
    if os.fork() == 0:
        with open("/proc/self/comm", "w") as comm:
            comm.write(NAMES[n % 3])
        if n % 2:
            os.fork()
        os._exit(0)
    if n % 8 == 0:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
