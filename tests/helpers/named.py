"""Makes 2,000 orphans, each with its pid as its name. Many exit at the same time, in another order than that of their start."""
import os
import random
import time

reader, writer = os.pipe()
for _ in range(20):
    if os.fork() == 0:
        for _ in range(100):
            if os.fork() == 0:
                with open("/proc/self/comm", "w") as comm:
                    comm.write(str(os.getpid()))
                time.sleep(2 + random.uniform(0, 0.5))
                os._exit(0)
        os._exit(0)
os.close(writer)
os.read(reader, 1)
while True:
    try:
        os.wait()
    except ChildProcessError:
        break
