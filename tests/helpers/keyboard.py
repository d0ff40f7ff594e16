"""Exits with 9 on KeyboardInterrupt, which is Python's own handler of SIGINT."""
import woken

try:
    print("ready", flush=True)
    woken.wait()
except KeyboardInterrupt:
    print("interrupted", flush=True)
    raise SystemExit(9)
