"""Blocks SIGUSR1 and sleeps, so that it seems to wait for it. On SIGHUP it blocks SIGUSR2 as well, and prints `blocks it`."""
import os
import signal

import woken

signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
signal.signal(signal.SIGHUP, lambda *_: None)
os.write(1, b"ready\n")
while woken.wait():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    os.write(1, b"blocks it\n")
