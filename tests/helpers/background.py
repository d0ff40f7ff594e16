"""Leaves the terminal to a child and reads from it all the same, which stops it (SIGTTIN) until the child, having read a
line, gives the terminal back. Says how often it was continued."""
import os
import signal

main = os.getpid()
woken, wake = os.pipe()
# Python runs its handlers between two system calls; what the C handler writes is counted.
os.set_blocking(wake, False)
signal.set_wakeup_fd(wake)
signal.signal(signal.SIGCONT, lambda *_: None)
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
ready, is_ready = os.pipe()
if os.fork() == 0:
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpid())
    os.write(is_ready, b"x")
    os.write(1, b"child: " + os.read(0, 64))
    os.tcsetpgrp(0, main)
    os.kill(main, signal.SIGCONT)
    os._exit(0)
os.read(ready, 1)
os.write(1, b"ready\n")
line = os.read(0, 64).decode().strip()
print(f"main: {line}, continued {len(os.read(woken, 1 << 16))} times")
