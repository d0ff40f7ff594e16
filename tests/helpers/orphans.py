"""Makes as many orphans as the argument says, prints a line, and waits for a line."""
import os
import sys

for _ in range(int(sys.argv[1])):
    child = os.fork()
    if child == 0:
        if os.fork() == 0:
            os._exit(0)
        os._exit(0)
    os.waitpid(child, 0)
print("orphaned", flush=True)
sys.stdin.read()
