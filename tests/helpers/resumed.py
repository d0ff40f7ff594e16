"""A foreground job: prints when it has begun, when it continues after a stop, and the line that it reads. With `asked` as
argument it reads only once it has received SIGUSR1: what is typed for the shell would have it read in the background."""
import os
import select
import signal
import sys

import woken

signal.signal(signal.SIGCONT, lambda *_: None)
signal.signal(signal.SIGUSR1, lambda *_: None)
asked = "asked" in sys.argv
os.write(1, b"begun\n")
while True:
    readable, _, _ = select.select([woken.reader] if asked else [0, woken.reader], [], [])
    received = woken.wait() if woken.reader in readable else b""
    if signal.SIGCONT in received:
        os.write(1, b"continues\n")
    if 0 in readable or signal.SIGUSR1 in received:
        os.write(1, b"read " + os.read(0, 64))
        break
