"""A cgroup for one run, so that what tests make in it is removed with it."""
import contextlib
import os
import pathlib
import time

# Where systemd mounts the hierarchy of version 2 beside others, and where it does if that is the only one.
PLACES = [pathlib.Path("/sys/fs/cgroup") / name for name in ("unified", "")]


@contextlib.contextmanager
def own():
    """Yields a function that puts the calling process into a new cgroup."""
    place = next(place for place in PLACES if (place / "cgroup.procs").exists())
    folder = place / f"podinit-machines-{os.getpid()}"
    folder.mkdir()
    try:
        yield lambda: (folder / "cgroup.procs").write_text("0")
    finally:
        remove(folder)


def remove(folder):
    """The folder and those in it. A process that was killed just now may still be there for a moment."""
    deadline = time.monotonic() + 10
    for path, _, _ in os.walk(folder, topdown=False):
        while True:
            try:
                os.rmdir(path)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
