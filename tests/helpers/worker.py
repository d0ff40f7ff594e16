"""A worker that prints each signal that it receives. On the first one it flushes for a second and exits.

usage: worker.py NAME [session] [daemon] [stubborn] [stopped] [replies]
  session   in a session of its own
  daemon    forked twice, with a session of its own: a child of init
  stubborn  does not exit
  stopped   stops itself by SIGSTOP
  replies   sends each SIGTERM back to its parent, and then prints it
"""
import os
import signal
import sys
import time

import woken

name, how = sys.argv[1], sys.argv[2:]


def say(what):
    os.write(1, f"{name} {what}\n".encode())


def on_signal(number, _):
    global stopping
    if "replies" in how and number == signal.SIGTERM:
        os.kill(os.getppid(), number)
    say(f"received {number}")
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
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGWINCH):
    signal.signal(number, on_signal)
# It may have been started with that blocked.
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
say(f"ready {os.getpid()}")
if "stopped" in how:
    os.kill(os.getpid(), signal.SIGSTOP)
while not stopping:
    woken.wait()
end = time.monotonic() + 1
while time.monotonic() < end:
    time.sleep(0.01)
say("flushed")
