"""Writes a line to the file of its argument for each SIGHUP, and exits with 3 on SIGTERM."""
import os
import signal
import sys

import woken

out = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
signal.signal(signal.SIGHUP, lambda *_: os.write(out, b"HUP\n"))
signal.signal(signal.SIGTERM, lambda *_: os._exit(3))
os.write(1, b"ready\n")
while True:
    woken.wait()
