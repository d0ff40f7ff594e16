"""Prints a line on each SIGINT, and the first line that it reads; exits with 5."""
import os
import signal
import sys

import woken

# Not print(): a handler must not call it while another print() runs.
signal.signal(signal.SIGINT, lambda *_: os.write(1, b"interrupted\n"))
os.write(1, b"ready\n")
woken.wait_for(0)
os.write(1, b"line " + sys.stdin.readline().encode())
sys.exit(5)
