"""Queues a signal to PID 1 that claims to come from root's process 1.

usage: forge.py SIGNAL
"""
import ctypes
import os
import struct
import sys

RT_SIGQUEUEINFO = {"x86_64": 129, "aarch64": 138}[os.uname().machine]
number = int(sys.argv[1])
info = struct.pack("=iiiiIIQ", number, 0, -1, 0, 1, 0, 0).ljust(128, b"\0")
libc = ctypes.CDLL(None, use_errno=True)
if libc.syscall(RT_SIGQUEUEINFO, 1, number, info) != 0:
    sys.exit(os.strerror(ctypes.get_errno()))
