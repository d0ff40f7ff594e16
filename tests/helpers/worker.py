"""A worker that needs a second to flush when it is told to stop, and says what it is told.

usage: worker.py NAME [session] [daemon] [stubborn] [stopped] [replies]
  session   in a session of its own
  daemon    forked twice, with a session of its own: nobody's child but init's
  stubborn  does not end
  stopped   has stopped itself
  replies   sends each SIGTERM back to its parent, before it says so
"""
import os
import signal
import sys
import time

name, how = sys.argv[1], sys.argv[2:]


def say(what):
    os.write(1, f"{name} {what}\n".encode())


def told(number, _):
    global stopping
    if "replies" in how and number == signal.SIGTERM:
        os.kill(os.getppid(), number)
    say(f"told {number}")
    if "stubborn" not in how:
        stopping = True


if "daemon" in how:
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
if "session" in how:
    os.setsid()
stopping = False
# By a pipe that the C handler writes to: a signal that arrives right before pause() would be noticed after it only.
woken, wake = os.pipe()
os.set_blocking(wake, False)
signal.set_wakeup_fd(wake)
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGWINCH):
    signal.signal(number, told)
say(f"ready {os.getpid()}")
if "stopped" in how:
    os.kill(os.getpid(), signal.SIGSTOP)
while not stopping:
    os.read(woken, 64)
end = time.monotonic() + 1
while time.monotonic() < end:
    time.sleep(0.01)
say("flushed")
