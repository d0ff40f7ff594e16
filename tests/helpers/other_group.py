"""A main process that leaves its process group: it joins another one, and exits with 6 on SIGUSR1."""
import os
import signal

import woken

# It leads its group, so it can only join another group of its session.
os.setpgid(0, os.getpgid(os.getppid()) if os.getppid() == 1 and os.getpgid(1) else 0)
child = os.fork()
if child == 0:
    os.setpgid(0, 0)
    signal.pause()
os.setpgid(child, child)
os.setpgid(0, child)
signal.signal(signal.SIGUSR1, lambda *_: os._exit(6))
print("ready", flush=True)
while True:
    woken.wait()
