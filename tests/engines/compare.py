"""podinit and its peers in the same tests, as a table in Markdown."""
import inspect
import pathlib

import pytest

# In the order of the table.
PLACES = ("not PID 1", "podman --init", "podman pod", "CRI pod")
README = pathlib.Path(__file__).resolve().parents[2] / "README.md"


class Comparison:
    """A pytest plugin. A test with the marker `compared` is a row of the table, by the first line of its docstring, and
    each candidate a column. A peer's failure is a "no" there, and no failure of the run."""

    def __init__(self, candidates, subject):
        self.subject = subject
        self.columns = {candidate.name: {} for candidate in candidates}

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item, call):
        report = (yield).get_result()
        marker = item.get_closest_marker("compared")
        if not marker or report.when != "call" or report.skipped:
            return
        candidate = item.callspec.params["candidate"]
        self.columns[candidate.name][row(marker.args[0], item.function)] = report.passed
        if report.failed and candidate != self.subject and call.excinfo.errisinstance(AssertionError):
            report.outcome = "skipped"
            report.wasxfail = f"{candidate.name} fails"

    def pytest_terminal_summary(self, terminalreporter):
        terminalreporter.section("comparison")
        terminalreporter.write(f"{self.table()}\n")

    def table(self):
        """A row for each test that a candidate fails. – means that it has no such job."""
        rows = dict.fromkeys(name for column in self.columns.values() for name in column)
        rows = sorted(rows, key=lambda name: PLACES.index(name.partition(":")[0]))
        differing = [name for name in rows if not all(column.get(name, True) for column in self.columns.values())]
        cells = [["", *self.columns], ["---"] * (len(self.columns) + 1)]
        cells += [[name, *(WORDS[column.get(name)] for column in self.columns.values())] for name in differing]
        lines = [f"| {' | '.join(line)} |" for line in cells]
        return "\n".join([*lines, "", f"None falls short in the other {len(rows) - len(differing)} tests."])


WORDS = {True: "yes", False: "no", None: "–"}


def row(place, function):
    title = inspect.getdoc(function).splitlines()[0].rstrip(".")
    return f"{place}: {title[0].lower()}{title[1:]}"
