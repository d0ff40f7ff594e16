"""Exits with 9 on KeyboardInterrupt, which is Python's own handler of SIGINT."""
import time

try:
    print("ready", flush=True)
    time.sleep(1000)
except KeyboardInterrupt:
    print("interrupted", flush=True)
    raise SystemExit(9)
