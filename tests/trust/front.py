"""What tests/trust/floods and tests/trust/races have in common: the command line, the build, and the report.

The tests are in C (c/driver.c starts inits and checks the outcome, c/actor.c is their workload), since a race needs many
rounds. Each case has a driver of its own, which is PID 1 of a PID namespace, so that no process is left when it exits.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent

# The exit status of a driver whose case cannot run here.
SKIPPED = 77

# How many lines of a failed case's report are printed.
DETAILS = 40

# A driver has a time limit for each of its rounds. This is the limit for the driver itself, in seconds.
WATCHDOG = {"quick": 1800, "long": 3 * 3600}


class Case(NamedTuple):
    """A case, and how many rounds (or orphans, signals, leaders) it has."""

    name: str
    long: int
    quick: int


def parse(description, cases):
    """The command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="fewer rounds: 2 to 3 minutes in all")
    parser.add_argument("--rounds", type=int, help="that many rounds in each case")
    parser.add_argument("--seed", type=int, help="of the random numbers; a failed case prints it")
    parser.add_argument("--list", action="store_true", help="print the names of the cases")
    parser.add_argument("case", nargs="*", help="the cases to run, by name; all if there are none")
    words = parser.parse_args()
    unknown = set(words.case) - {case.name for case in cases}
    if unknown:
        parser.error(f"no case {' or '.join(sorted(unknown))}; --list prints all names")
    return words


def binary_under_test():
    """PODINIT_UNDER_TEST, or the binary that cargo builds."""
    if "PODINIT_UNDER_TEST" in os.environ:
        return Path(os.environ["PODINIT_UNDER_TEST"])
    subprocess.run(["cargo", "build", "--quiet", "--release"], cwd=ROOT, check=True)
    return ROOT / "target/release/podinit"


def build(folder):
    """Makes the driver, the actor and a copy of the init, where every user can execute them."""
    sources = sorted((HERE / "c").glob("*.c"))
    compiler = ["gcc", "-O2", "-static", "-Wall", "-Wextra", "-Werror", "-o"]
    actor = [source for source in sources if source.name in ("actor.c", "common.c")]
    driver = [source for source in sources if source.name != "actor.c"]
    subprocess.run([*compiler, folder / "actor", *actor], check=True)
    subprocess.run([*compiler, folder / "driver", *driver], check=True)
    shutil.copy(binary_under_test(), folder / "podinit")
    folder.chmod(0o755)
    # Pages of a file that is not on the disk yet would count as the init's private dirty memory.
    os.sync()


def run(case, rounds, seed, folder, watchdog):
    """Runs one case, and returns its exit status, its figures and its report of what failed."""
    command = [
        # Killed when this program exits or is killed.
        *("setpriv", "--pdeathsig", "KILL", "--"),
        *("unshare", "--fork", "--pid", "--mount", "--mount-proc", "--kill-child=KILL", "--"),
        *(folder / "driver", case.name, str(rounds), folder / "podinit", folder / "actor", str(seed)),
    ]
    pipe = subprocess.PIPE
    driver = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True)
    try:
        figures, details = driver.communicate(timeout=watchdog)
    except subprocess.TimeoutExpired:
        driver.kill()
        figures, details = driver.communicate()
        return 1, f"{figures.strip()} not done after {watchdog} s", details
    finally:
        # After ^C too. The kernel kills all processes of its namespace.
        driver.kill()
    return driver.returncode, figures.strip(), details


def report(case, status, figures, details, seconds, seed):
    """Prints the case's line, and returns its outcome: passed, failed or skipped."""
    outcome = {0: "passed", SKIPPED: "skipped"}.get(status, "failed")
    shown = outcome.upper() if outcome == "failed" else outcome
    print(f"{shown:8} {case.name}: {figures or f'exit status {status}'} ({seconds:.0f} s)", flush=True)
    if outcome == "failed":
        lines = [line for line in details.splitlines() if line]
        for line in lines[:DETAILS]:
            print(f"        | {line}")
        if len(lines) > DETAILS:
            print(f"        | and {len(lines) - DETAILS} lines more")
        print(f"        | again: --seed {seed} {case.name}", flush=True)
    return outcome


def main(description, cases):
    """Runs the cases that the command line names, and exits with 1 if one fails."""
    words = parse(description, cases)
    if words.list:
        print("\n".join(case.name for case in cases))
        return
    chosen = [case for case in cases if not words.case or case.name in words.case]
    count = {"passed": 0, "failed": 0, "skipped": 0}
    seed = words.seed if words.seed is not None else int(time.time())
    # SIGTERM is handled as ^C is, so that the directory is removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # Other users execute files in it; TMPDIR may be out of their reach.
    with tempfile.TemporaryDirectory(prefix="floods-and-races-", dir="/tmp") as name:
        folder = Path(name)
        if os.geteuid() == 0:
            build(folder)
        for case in chosen:
            size = words.rounds or (case.quick if words.quick else case.long)
            began = time.monotonic()
            if os.geteuid() == 0:
                result = run(case, size, seed, folder, WATCHDOG["quick" if words.quick else "long"])
            else:
                result = SKIPPED, "needs root", ""
            count[report(case, *result, time.monotonic() - began, seed)] += 1
    skipped = f", {count['skipped']} skipped" if count["skipped"] else ""
    print(f"\n{count['passed']} passed, {count['failed']} failed{skipped}")
    sys.exit(count["failed"] > 0)
