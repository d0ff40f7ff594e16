"""`--watch` in a sidecar beside the loop of md5sum that pages on shared PID namespaces have: how long from a rename to the
reload, processor time while nothing changes, and memory. A measurement, no test; it prints a table.
`tests/engines/run -s tests/engines/watching.py` takes six minutes."""
import contextlib
import pathlib
import random
import statistics
import time

import pytest

import images
from nginx import Nginx

IDLE_SECONDS = 60
LOOP = """
seen=$(md5sum /configuration/app.conf | cut -d' ' -f1)
echo watching
while true; do
    sleep {interval}
    now=$(md5sum /configuration/app.conf | cut -d' ' -f1)
    if [ "$seen" != "$now" ]; then
        app=$(pgrep -o -x nginx)
        if [ -n "$app" ]; then kill -HUP $app; fi
        seen=$now
    fi
done
"""
# The command, the number of renames, and the shortest and longest time between two of them, in seconds.
WATCHERS = {
    "`podinit --watch`": (["/podinit", "-v", "--watch", "/configuration/app.conf"], 20, (1, 2)),
    "the loop, each second": (["sh", "-c", LOOP.format(interval=1)], 20, (1, 2)),
    "the loop, each 30 s, as on the page": (["sh", "-c", LOOP.format(interval=30)], 5, (0, 30)),
}


class Pod:
    """nginx, and a watcher of its configuration."""

    def __init__(self, podman, pause, command):
        self.podman = podman
        self.name = podman.name("watching")
        self.data, _ = podman.volume()
        self.file = self.data / "app.conf"
        self.file.write_text("# 0")
        podman.pod(self.name, pause)
        for name, directory, words in (("nginx", "/etc/nginx/conf.d", ["nginx", "-g", "daemon off;"]),
                                       ("watcher", "/configuration", command)):
            podman("run", "--detach", f"--pod={self.name}", f"--name={self.name}-{name}", *podman.confine,
                   f"--volume={self.data}:{directory}", images.WITH_PODINIT, *words)
        self.log = pathlib.Path(podman.inspect(f"{self.name}-nginx", ".HostConfig.LogConfig.Path"))
        self.nginx = Nginx(podman.pid(f"{self.name}-nginx"), self.log.read_text)
        self.watcher = podman.pid(f"{self.name}-watcher")

    def delay(self, n):
        """Seconds from a rename to the reload."""
        new = self.file.with_name("new")
        new.write_text(f"# {n}")
        before = self.nginx.reloads()
        began = time.monotonic()
        new.rename(self.file)
        while self.nginx.reloads() == before:
            assert time.monotonic() < began + 100, "nginx has not reloaded"
            time.sleep(0.001)
        return time.monotonic() - began

    def processor_time(self):
        """Seconds of the watcher's container, its exited processes included."""
        for line in pathlib.Path(f"/proc/{self.watcher}/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if "cpuacct" in controllers.split(","):
                return int(pathlib.Path(f"/sys/fs/cgroup/cpuacct{path}/cpuacct.usage").read_text()) / 1e9
        fields = pathlib.Path(f"/sys/fs/cgroup{path}/cpu.stat").read_text().split()
        return int(fields[fields.index("usage_usec") + 1]) / 1e6

    def memory(self):
        """Resident and anonymous memory of the watcher and its children, in KiB."""
        children = pathlib.Path(f"/proc/{self.watcher}/task/{self.watcher}/children").read_text().split()
        totals = {"Rss:": 0, "Anonymous:": 0}
        for pid in (self.watcher, *children):
            for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
                name, size, _ = line.split()
                if name in totals:
                    totals[name] += int(size)
        return totals.values()

    def remove(self):
        self.podman.attempt("pod", "rm", "--force", "--time=0", self.name)


@pytest.mark.timeout(1500)
def test_watchers(podman, pause):
    with contextlib.ExitStack() as stack:
        pods = {}
        for title, (command, _, _) in WATCHERS.items():
            pods[title] = Pod(podman, pause, command)
            stack.callback(pods[title].remove)
        # The watchers have seen the file as it is now.
        time.sleep(5)
        before = {title: pod.processor_time() for title, pod in pods.items()}
        time.sleep(IDLE_SECONDS)
        idle = {title: pod.processor_time() - before[title] for title, pod in pods.items()}
        print(f"\n\n| | rename to reload, median (longest) | processor time in {IDLE_SECONDS} idle s | RSS / anonymous |")
        print("| --- | --- | --- | --- |")
        for title, (_, count, (least, most)) in WATCHERS.items():
            resident, anonymous = pods[title].memory()
            delays = []
            for n in range(count):
                time.sleep(random.uniform(least, most))
                delays.append(pods[title].delay(n + 1))
            print(f"| {title} | {statistics.median(delays):.2f} s ({max(delays):.2f} s) | {idle[title] * 1000:.1f} ms | "
                  f"{resident} / {anonymous} KiB |", flush=True)
