"""Forks a process that executes the program of its arguments once a line has come, and prints its exit status.

usage: starting.py PROGRAM [ARG...]
"""
import os
import sys

child = os.fork()
if child == 0:
    os.write(1, b"forked\n")
    sys.stdin.readline()
    os.execvp(sys.argv[1], sys.argv[1:])
_, status = os.waitpid(child, 0)
print("ended", os.waitstatus_to_exitcode(status), flush=True)
