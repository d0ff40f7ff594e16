"""Enters a PID namespace with COUNT leaders, each in a cgroup of its own, and counts those that receive SIGHUP.

usage: crowd.py PID CGROUP COUNT
"""
import ctypes
import os
import sys

pid, top, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
libc = ctypes.CDLL(None, use_errno=True)
reader, writer = os.pipe()
no_input, _ = os.pipe()
namespace = os.open(f"/proc/{pid}/ns/pid", os.O_RDONLY)
if libc.setns(namespace, 0) != 0:
    sys.exit(os.strerror(ctypes.get_errno()))
for n in range(count):
    os.makedirs(f"{top}/{n}", exist_ok=True)
    child = os.fork()
    if child == 0:
        os.dup2(no_input, 0)
        os.dup2(writer, 1)
        # A process that has executed nothing since its fork is no leader yet.
        os.execv("/bin/sh", ["sh", "-c", "trap 'printf t; exit' HUP; printf r; read forever"])
    with open(f"{top}/{n}/cgroup.procs", "w") as procs:
        procs.write(str(child))


def await_all(letter):
    """Waits until each leader has written this letter."""
    written = 0
    while written < count:
        written += os.read(reader, 4096).count(letter)


await_all(b"r")
print("ready", flush=True)
await_all(b"t")
print("all received it", flush=True)
