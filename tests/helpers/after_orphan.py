"""Makes an orphan, waits until it has been reaped, and executes the program that the arguments name; with `--thread` first,
from a thread that is not the first one.

usage: after_orphan.py [--thread] PROGRAM [ARGUMENT...]
"""
import os
import signal
import sys
import threading
import time

reader, writer = os.pipe()
child = os.fork()
if child == 0:
    orphan = os.fork()
    if orphan == 0:
        signal.pause()
    os.write(writer, str(orphan).encode())
    os._exit(0)
os.waitpid(child, 0)
orphan = int(os.read(reader, 20))
os.kill(orphan, signal.SIGKILL)
while os.path.exists(f"/proc/{orphan}"):
    time.sleep(0.001)
words = sys.argv[1:]
if words[0] == "--thread":
    thread = threading.Thread(target=os.execvp, args=(words[1], words[1:]))
    thread.start()
    thread.join()
else:
    os.execvp(words[0], words)
