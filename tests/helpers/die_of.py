"""Is killed by a signal that it sends itself. Python ignores some signals at its start: their default is set again.

usage: die_of.py SIGNAL
"""
import os
import signal
import sys

number = int(sys.argv[1])
# The C library keeps 32 and 33 for itself, and KILL has no other disposition.
if number not in (signal.SIGKILL, 32, 33):
    signal.signal(number, signal.SIG_DFL)
os.kill(os.getpid(), number)
