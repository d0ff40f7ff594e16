"""A foreground job: prints when it has begun, when it continues after a stop, and the line that it reads."""
import os
import select
import signal

# Python runs a handler only between two of its instructions, so a SIGCONT right before select(2) would be noticed too
# late. The byte that Python's C handler writes to this pipe is not missed.
woken, wake = os.pipe()
os.set_blocking(wake, False)
signal.set_wakeup_fd(wake)
signal.signal(signal.SIGCONT, lambda *_: None)
os.write(1, b"begun\n")
while True:
    readable, _, _ = select.select([0, woken], [], [])
    if woken in readable:
        os.read(woken, 64)
        os.write(1, b"continues\n")
    if 0 in readable:
        os.write(1, b"read " + os.read(0, 64))
        break
