"""A foreground job: prints when it has begun, when it continues after a stop, and the line that it reads. With `asked` as
argument it reads only once it has received SIGUSR1: what is typed for the shell would have it read in the background."""
import os
import select
import signal
import sys

# Python runs a handler only between two of its instructions, so a SIGCONT right before select(2) would be noticed too
# late. The byte that Python's C handler writes to this pipe is not missed.
woken, wake = os.pipe()
os.set_blocking(wake, False)
signal.set_wakeup_fd(wake)
signal.signal(signal.SIGCONT, lambda *_: None)
signal.signal(signal.SIGUSR1, lambda *_: None)
asked = "asked" in sys.argv
os.write(1, b"begun\n")
while True:
    readable, _, _ = select.select([woken] if asked else [0, woken], [], [])
    received = os.read(woken, 64) if woken in readable else b""
    if signal.SIGCONT in received:
        os.write(1, b"continues\n")
    if 0 in readable or signal.SIGUSR1 in received:
        os.write(1, b"read " + os.read(0, 64))
        break
