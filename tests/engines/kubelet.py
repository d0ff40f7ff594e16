"""What kubelet does for the message of a container that has exited, which `kubectl describe pod` shows.

There is no kubelet among Debian's packages. These are its rules (pkg/kubelet/kuberuntime of Kubernetes): it makes an empty file
with the mode 0666 and mounts it at terminationMessagePath; it reads the last 4,096 bytes of what the container's status
has at that path; if there are none, terminationMessagePolicy is FallbackToLogsOnError, and the exit code is not 0, it takes
the last 80 lines of the log, and of these the last 2,048 bytes.
"""
import pathlib
import tempfile

from waiting import wait_until

PATH = "/dev/termination-log"
LONGEST = 4096
LAST_LINES = 80
LONGEST_OF_LOG = 2048


def mount(directory):
    """Makes the file, and returns its mount."""
    descriptor, name = tempfile.mkstemp(dir=directory)
    open(descriptor).close()
    # Whatever the umask is.
    pathlib.Path(name).chmod(0o666)
    return {"container_path": PATH, "host_path": name}


def message(pod, container, policy="File"):
    """The exit code and the message of a container, once it has exited. A message that is not UTF-8 is an error."""
    wait_until(lambda: not pod.is_running(container), f"the exit of {container}")
    status = pod.status(container).status
    read = next(pathlib.Path(mount.host_path).read_bytes() for mount in status.mounts if mount.container_path == PATH)
    found = read[-LONGEST:]
    if not found and policy == "FallbackToLogsOnError" and status.exit_code != 0:
        found = last_of_log(pathlib.Path(status.log_path).read_bytes())
    return status.exit_code, ": ".join(filter(None, [status.message, found.decode()]))


def last_of_log(log):
    """A line is `TIME STREAM TAG TEXT`, and the tag P stands for one that the next one continues."""
    lines = [line.split(b" ", 3) for line in log.splitlines()]
    texts = [text + (b"" if tag == b"P" else b"\n") for _, _, tag, text in lines[-LAST_LINES:]]
    return b"".join(texts)[-LONGEST_OF_LOG:]
