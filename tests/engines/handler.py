"""A program with a handler for SIGHUP, which prints it."""
import signal

signal.signal(signal.SIGHUP, lambda *_: print("(SIGHUP) received", flush=True))
while True:
    signal.pause()
