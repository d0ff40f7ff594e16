"""Runs a command as PID 1 of a PID namespace, in a user namespace that maps COUNT ids to 100000 and the following ones.
Prints `forked` when that command is its only child.

usage: user_namespace.py COUNT COMMAND...
"""
import ctypes
import os
import signal
import sys

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID, PR_SET_PDEATHSIG = 0x20000, 0x10000000, 0x20000000, 1
libc = ctypes.CDLL(None, use_errno=True)


def check(answer):
    if answer != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


own = os.getpid()
is_made, mapped = os.pipe(), os.pipe()
mapper = os.fork()
if mapper == 0:
    os.read(is_made[0], 1)
    for name in ("uid_map", "gid_map"):
        with open(f"/proc/{own}/{name}", "w") as file:
            file.write(f"0 100000 {sys.argv[1]}\n")
    os._exit(0)
check(libc.unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID))
os.write(is_made[1], b"x")
os.waitpid(mapper, 0)
os.setgroups([])
os.setresgid(0, 0, 0)
os.setresuid(0, 0, 0)
child = os.fork()
if child == 0:
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    check(libc.mount(b"proc", b"/proc", b"proc", 0, None))
    os.execv(sys.argv[2], sys.argv[2:])
print("forked", flush=True)
status = os.waitpid(child, 0)[1]
sys.exit(os.waitstatus_to_exitcode(status))
