"""Starts each init as PID 1 of a namespace of its own and sends it SIGTERM at a random moment within 2 ms of its exec,
COUNT times, the inits in turns. Prints one line for each init: how many of the signals were lost.

The workload exits with 0 after 0.1 s. A SIGTERM that arrives makes the exit status 143.

usage: race.py COUNT INIT...
"""
import ctypes
import os
import random
import signal
import sys
import time

from system_calls import CLONE, IS_STACK_FIRST

CLONE_NEWUSER, CLONE_NEWPID = 0x10000000, 0x20000000
libc = ctypes.CDLL(None, use_errno=True)
flags = CLONE_NEWPID | (CLONE_NEWUSER if os.geteuid() else 0) | signal.SIGCHLD
first = (0, flags) if IS_STACK_FIRST else (flags, 0)

# As an engine starts an init: no signal blocked, every disposition the default.
signal.signal(signal.SIGINT, signal.SIG_DFL)
signal.signal(signal.SIGPIPE, signal.SIG_DFL)


def start(init):
    reader, writer = os.pipe()  # close-on-exec, so the reader sees the end of file at the exec
    pid = libc.syscall(CLONE, *first, 0, 0, 0)
    if pid == 0:
        os.execv(init, [init, "--", "sleep", "0.1"])
    if pid < 0:
        raise OSError(ctypes.get_errno(), "clone")
    os.close(writer)
    os.read(reader, 1)
    os.close(reader)
    return pid


count, inits = int(sys.argv[1]), sys.argv[2:]
lost = [0] * len(inits)
for _ in range(count):
    moment = random.uniform(0, 0.002)
    for index, init in enumerate(inits):
        pid = start(init)
        time.sleep(moment)  # not a busy wait: the init needs the processor
        os.kill(pid, signal.SIGTERM)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        lost[index] += code == 0
        if code not in (0, 143):
            sys.exit(f"{init}: {code}")
for number in lost:
    print(number)
