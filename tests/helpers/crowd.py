"""Enters a PID namespace with a crowd of leaders, each in a cgroup of its own, and counts who is told.

usage: crowd.py PID CGROUP COUNT
"""
import ctypes
import os
import signal
import sys

pid, top, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
libc = ctypes.CDLL(None, use_errno=True)
reader, writer = os.pipe()
namespace = os.open(f"/proc/{pid}/ns/pid", os.O_RDONLY)
if libc.setns(namespace, 0) != 0:
    sys.exit(os.strerror(ctypes.get_errno()))
for n in range(count):
    os.makedirs(f"{top}/{n}", exist_ok=True)
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGHUP, lambda *_: os._exit(os.write(writer, b"t") - 1))
        os.write(writer, b"r")
        while True:
            signal.pause()
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
