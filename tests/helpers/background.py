"""Makes a child the foreground of the terminal and reads from the terminal in the background, which stops it (SIGTTIN).
The child reads a line, and then makes its parent the foreground again. Prints how many times the parent was continued.
"""
import os
import signal

import woken

main = os.getpid()
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
print(f"main: {line}, continued {len(woken.wait())} times")
