"""Prints each signal that it receives: number, si_code, value, sender's pid. Exits after COUNT of them, or after LAST.

All signals are blocked and awaited by system call, since the C library keeps some for itself.

usage: receive.py COUNT [LAST]
  LAST  the number of a signal
"""
import ctypes
import os
import struct
import sys

from system_calls import RT_SIGPROCMASK, RT_SIGTIMEDWAIT

# Where the sender and the value are in a siginfo, and the value's size: that of a pointer, to which they are aligned.
SENDER, VALUE, POINTER = (16, 24, "=Q") if ctypes.sizeof(ctypes.c_void_p) == 8 else (12, 20, "=I")
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long

count = int(sys.argv[1])
last = int(sys.argv[2]) if len(sys.argv) > 2 else None
# All but SIGCHLD.
mask = struct.pack("=Q", 0xFFFFFFFFFFFFFFFF & ~(1 << 16))
libc.syscall(RT_SIGPROCMASK, 2, mask, None, 8)
os.write(1, b"ready %d\n" % os.getpid())
while count > 0:
    info = ctypes.create_string_buffer(128)
    number = libc.syscall(RT_SIGTIMEDWAIT, mask, info, None, 8)
    if number < 0:
        continue
    code, = struct.unpack_from("=i", info, 8)
    sender, = struct.unpack_from("=I", info, SENDER)
    value, = struct.unpack_from(POINTER, info, VALUE) if code == -1 else (0,)
    os.write(1, b"got %d %d %d %d\n" % (number, code, value, sender))
    count -= 1
    if number == last:
        break
