"""Enters a PID namespace with a crowd of leaders, each in a cgroup of its own, and counts who is told.

usage: crowd.py PID CGROUP COUNT
"""
import ctypes
import os
import sys

pid, top, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
libc = ctypes.CDLL(None, use_errno=True)
reader, writer = os.pipe()
silence, _ = os.pipe()
namespace = os.open(f"/proc/{pid}/ns/pid", os.O_RDONLY)
if libc.setns(namespace, 0) != 0:
    sys.exit(os.strerror(ctypes.get_errno()))
for n in range(count):
    os.makedirs(f"{top}/{n}", exist_ok=True)
    child = os.fork()
    if child == 0:
        os.dup2(silence, 0)
        os.dup2(writer, 1)
        # Executed, since a process that has executed nothing is no leader yet.
        os.execv("/bin/sh", ["sh", "-c", "trap 'printf t; exit' HUP; printf r; read forever"])
    with open(f"{top}/{n}/cgroup.procs", "w") as procs:
        procs.write(str(child))


def hear(letter):
    heard = 0
    while heard < count:
        heard += os.read(reader, 4096).count(letter)


hear(b"r")
print("ready", flush=True)
hear(b"t")
print("all told", flush=True)
