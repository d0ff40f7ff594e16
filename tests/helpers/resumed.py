"""A foreground job: says when it has begun, when it goes on after a stop, and what it reads."""
import os
import select
import signal

# By a pipe that the C handler writes to: Python's own runs only once a system call lets it, and a stop
# may come right before one.
woken, wake = os.pipe()
os.set_blocking(wake, False)
signal.set_wakeup_fd(wake)
signal.signal(signal.SIGCONT, lambda *_: None)
os.write(1, b"begun\n")
while True:
    readable, _, _ = select.select([0, woken], [], [])
    if woken in readable:
        os.read(woken, 64)
        os.write(1, b"goes on\n")
    if 0 in readable:
        os.write(1, b"read " + os.read(0, 64))
        break
