"""The main process exits with 6. Its child sends init pairs of SIGCONT and SIGSTOP, of which the second discards the first.

A SIGSTOP from inside has no other effect on PID 1. It sends pairs until init sleeps in another system call than before:
that would be a read that the pair has made wait. It ends well before init's deadline, also where it is rarely scheduled."""
import os
import signal
import time

signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCONT])
if os.fork():
    os._exit(6)
os.setsid()


def call():
    time.sleep(0.001)
    with open("/proc/1/syscall") as syscall:
        return syscall.read().split()[0]


time.sleep(0.2)
before, pairs, end = call(), 0, time.monotonic() + 4
while pairs < 3000 and time.monotonic() < end and (call() in (before, "running") or call() in (before, "running")):
    os.kill(1, signal.SIGCONT)
    begin = time.perf_counter_ns()
    while time.perf_counter_ns() < begin + pairs * 97 % 100_000:
        pass
    os.kill(1, signal.SIGSTOP)
    pairs += 1
print("sent", pairs, flush=True)
while True:
    signal.pause()
