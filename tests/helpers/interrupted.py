"""Says when it is interrupted, and what line it reads first; ends with 5."""
import os
import signal
import sys

# Not by print, which a handler must not call in the middle of another one.
signal.signal(signal.SIGINT, lambda *_: os.write(1, b"interrupted\n"))
os.write(1, b"ready\n")
os.write(1, b"line " + sys.stdin.readline().encode())
sys.exit(5)
