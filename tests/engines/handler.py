"""A program with a handler for SIGHUP, which prints it."""
import os
import signal

# A handler whose signal arrives right before a call that waits runs after that call. The byte written here is not missed.
reader, writer = os.pipe()
os.set_blocking(writer, False)
signal.set_wakeup_fd(writer)
signal.signal(signal.SIGHUP, lambda *_: print("(SIGHUP) received", flush=True))
while True:
    os.read(reader, 64)
