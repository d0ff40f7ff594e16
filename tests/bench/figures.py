"""The figures of each form, all measured in turns, so that the load of the machine affects all of them."""

import os
import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from forms import ENVIRONMENT

HERE = Path(__file__).resolve().parent

STARTS = 500
IDLE_SECONDS = 3
LAUNCHES = 5
TURNS = 10
PINGS = 500
STORM_PINGS = 200
ORPHANS = 1000

# What does not depend on how many processors there are.
ALONE = {
    "file, B": "{:,}",
    "syscalls before the workload": "{}",
    "instructions": "{:,}",
    "RSS idle, KiB": "{}",
    "private dirty": "{}",
    f"RSS after {TURNS * ORPHANS} orphans": "{}",
    "private dirty then": "{}",
    f"wake-ups in {IDLE_SECONDS} s": "{}",
}

TIMES = {
    "start to workload, µs": "{:.0f}",
    "start to exit, µs": "{:.0f}",
    "× bare": "{:.2f}",
    "signal there and back, µs": "{:.1f}",
    "p90": "{:.1f}",
    "p99": "{:.1f}",
    "beside orphans and busy loops, µs": "{:.1f}",
    "its p90": "{:.1f}",
    "its p99": "{:.1f}",
    "CPU per orphan, µs": "{:.2f}",
    "switches per orphan": "{:.2f}",
}


def compile_helpers(folder):
    """Makes the probe, and the bare program that exits at once."""
    probe, bare = f"{folder}/probe", f"{folder}/bare"
    subprocess.run(["gcc", "-O2", "-static", "-o", probe, HERE / "probe.c"], check=True)
    subprocess.run(["gcc", "-O2", "-static", "-nostdlib", "-o", bare, HERE / "bare.c"], check=True)
    # Pages of a file that is not on the disk yet would count as private dirty.
    os.sync()
    return probe, bare


def measure(forms):
    """The bare program's start to workload and to exit, and two rows for each form: ALONE and TIMES."""
    with tempfile.TemporaryDirectory(prefix="podinit-bench-") as folder:
        probe, bare = compile_helpers(folder)
        bare_times, *starts = time_starts(forms, probe, bare)
        counts = [(count_syscalls(form, bare, folder), count_instructions(form, bare)) for form in forms]
        idle = measure_idle_memory(forms, probe, "work")
        for form in forms:
            form.launch(probe, "work")
        wakeups = count_wakeups(forms)
        for _ in range(TURNS):
            for form in forms:
                form.ping(PINGS)
                form.reap(ORPHANS)
                form.storm(STORM_PINGS)
        busy = [form.memory() for form in forms]
        for form in forms:
            form.finish()
    alone = [
        [form.size, *counts[n], *idle[n], *busy[n], wakeups[n]] for n, form in enumerate(forms)
    ]
    times = [
        [
            *starts[n],
            starts[n][1] / bare_times[1],
            *percentiles(form.pings),
            *percentiles(form.storm_pings),
            statistics.median(form.reap_costs) / 1000,
            statistics.median(form.reap_switches),
        ]
        for n, form in enumerate(forms)
    ]
    return bare_times, alone, times


def percentiles(nanoseconds):
    """p50, p90 and p99, in microseconds."""
    cuts = statistics.quantiles(nanoseconds, n=100)
    return [cuts[percent - 1] / 1000 for percent in (50, 90, 99)]


def time_starts(forms, probe, bare):
    """Median microseconds until the bare program runs and until the init has exited: alone, and under each init."""
    # Not as PID 1, since a PID namespace costs more time than an init.
    output = subprocess.run(
        [probe, "start", str(STARTS), bare, *(" ".join(form.command) for form in forms)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=ENVIRONMENT,
        check=True,
        text=True,
    ).stdout
    rounds = [map(int, line.split()) for line in output.splitlines()]
    medians = [statistics.median(column) / 1000 for column in zip(*rounds)]
    return list(zip(medians[::2], medians[1::2]))


def count_syscalls(form, bare, folder):
    """System calls, the child's included, after the init's own execve and before its workload's."""
    trace = f"{folder}/trace"

    def once():
        subprocess.run(
            ["strace", "-f", "-o", trace, *form.command, bare],
            stderr=subprocess.DEVNULL,
            env=ENVIRONMENT,
            check=True,
        )
        calls = re.findall(r"^\d+ +(\w+)\((.*)", Path(trace).read_text(), re.M)
        executed = next(n for n, (name, words) in enumerate(calls) if name == "execve" and f'"{bare}", [' in words and n)
        return executed - 1

    # After a fork, calls of the parent and of the child are interleaved by chance.
    return min(once() for _ in range(5))


def count_instructions(form, bare):
    """What the init itself executes outside the kernel, from start to exit."""
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *form.command, bare],
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
        check=True,
        text=True,
    )
    return int(re.search(r"Collected : (\d+)", done.stderr)[1])


def count_wakeups(forms):
    time.sleep(0.5)
    before = [form.switches() for form in forms]
    time.sleep(IDLE_SECONDS)
    return [form.switches() - count for form, count in zip(forms, before)]


def measure_idle_memory(forms, *workload):
    """RSS and private dirty, in KiB: medians, since the kernel places the stack by chance, within a page or not."""
    samples = []
    for _ in range(LAUNCHES):
        for form in forms:
            form.launch(*workload)
        time.sleep(0.2)
        samples.append([form.memory() for form in forms])
        for form in forms:
            form.finish()
    return [[statistics.median_low(column) for column in zip(*of_one)] for of_one in zip(*samples)]


def measure_pauses(forms):
    """Size, memory and wake-ups of pause processes."""
    idle = measure_idle_memory(forms)
    for form in forms:
        form.launch()
    wakeups = count_wakeups(forms)
    for form in forms:
        form.finish()
    return [[form.size, *idle[n], wakeups[n]] for n, form in enumerate(forms)]
