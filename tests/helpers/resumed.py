"""A foreground job: says when it has begun, when it is resumed after a stop, and what it reads."""
import signal

signal.signal(signal.SIGCONT, lambda *_: print("resumed", flush=True))
print("begun", flush=True)
print("read", input(), flush=True)
