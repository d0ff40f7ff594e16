"""What came out, as rows of one table."""
import dataclasses
import re
import sys

HEAD = ("machine", "kernel", "what", "passed", "failed", "skipped", "seconds")


@dataclasses.dataclass
class Row:
    machine: str
    kernel: str
    what: str
    passed: int
    failed: list
    skipped: list
    seconds: float

    def cells(self):
        counts = self.passed, len(self.failed), len(self.skipped)
        return self.machine, self.kernel, self.what, *map(str, counts), f"{self.seconds:.0f}"


def of_suite(output):
    """How many tests passed, and the names of those that failed and of those that were skipped."""
    found = re.findall(r"^test result: .*? (\d+) passed; (\d+) failed", output, re.M)
    failed = re.findall(r"^test (\S+) \.\.\. FAILED", output, re.M)
    skipped = sorted(set(re.findall(r"^skipped: (\S+) ", output, re.M)) - set(failed))
    if not found:
        return 0, failed + ["the suite itself: it did not end"], skipped
    if int(found[0][1]) != len(failed):
        failed.append(f"the suite itself: of {found[0][1]} failures {len(failed)} are named")
    return int(found[0][0]) - len(skipped), failed, skipped


def of_engines(output):
    """How many of tests/engines passed, and the names of those that failed and of those that were skipped."""
    found = re.findall(r"^\S*?(test_\w+\.py::.*?) (PASSED|XFAIL|SKIPPED|FAILED|ERROR|XPASS)\b", output, re.M)
    passed = {test for test, outcome in found if outcome in ("PASSED", "XFAIL")}
    skipped = sorted({test for test, outcome in found if outcome == "SKIPPED"})
    # A test that has passed may fail to clean up.
    failed = sorted({test for test, outcome in found if outcome in ("FAILED", "ERROR", "XPASS")})
    failed += re.findall(r"^left behind: .*", output, re.M)
    if not re.search(r"^=+ .* in [0-9.]+s", output, re.M):
        failed.append("the engines' tests themselves: they did not end")
    return len(passed - set(failed)), failed, skipped


def of_starts(output):
    """How many of the starts of tests/trust/starts passed and failed."""
    found = re.search(r"^(\d+) of (\d+) starts failed", output, re.M)
    if not found:
        return 0, ["the starts themselves: they did not end"], []
    failed, all_of_them = map(int, found.groups())
    return all_of_them - failed, [f"{failed} of {all_of_them} starts"] * bool(failed), []


def of_boot(output, status, least):
    """The checks of a boot that passed and failed. `status` is what its PID 1 is to exit with, if that is to exit."""
    passed = len(re.findall(r"^ok ", output, re.M))
    failed = re.findall(r"^FAILED (.*?)\r?$", output, re.M)
    if status is None:
        wanted, seen = "its end", bool(re.search(r"^end\r?$", output, re.M))
    else:
        wanted, seen = f"exit status {status}", f"exitcode=0x{status << 8:08x}" in output
    if seen:
        passed += 1
    else:
        failed.append(f"{wanted}: not seen")
    if passed + len(failed) < least:
        failed.append(f"only {passed} checks passed, not {least}")
    return passed, failed, []


def table(rows):
    """In Markdown, and below it what failed and what was skipped."""
    lines = [HEAD, tuple("---" for _ in HEAD)] + [row.cells() for row in rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    for line in lines:
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |")
    for row in rows:
        for kind, names in (("failed", row.failed), ("skipped", row.skipped)):
            for name in names:
                print(f"{kind}: {': '.join(filter(None, (row.machine, row.what, name)))}")
    sys.stdout.flush()
