"""A pytest plugin: the command line, and the candidates and engines of each test."""
import argparse
import pathlib
import signal

import pytest

import candidates
import options
from compare import Comparison


class Candidates:
    """The candidates of this run: `chosen` is that of the command line, `all` has those that it is compared with too."""

    def __init__(self, option):
        self.chosen = candidates.chosen(option.podinit, option.init, option.pause)
        self.control = candidates.catatonit()
        self.all = [self.chosen]
        self.all += candidates.peers(pathlib.Path(option.scratch)) if option.compare else [self.control]


def pytest_addoption(parser):
    group = parser.getgroup("podinit")
    options.add_to(group.addoption)
    # tests/engines/run gives these.
    group.addoption("--podinit", help=argparse.SUPPRESS)
    group.addoption("--scratch", help=argparse.SUPPRESS)


def pytest_configure(config):
    if not config.option.scratch:
        raise pytest.UsageError("the engines need a sandbox: start this by tests/engines/run")
    config.candidates = Candidates(config.option)
    if config.option.compare:
        config.pluginmanager.register(Comparison(config.candidates.all, config.candidates.chosen), "comparison")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)


def interrupt(*_):
    """Stops the run and tears down the fixtures. A signal to the process group arrives twice: from the sandbox too."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def pytest_generate_tests(metafunc):
    runs = compared_runs(metafunc) if metafunc.config.option.compare else plain_runs(metafunc)
    names = [name for name in ("engine", "candidate") if name in metafunc.fixturenames]
    if runs:
        runs = [pytest.param(*(run[name] for name in names), marks=run["marks"], id=run["id"]) for run in runs]
        metafunc.parametrize(names, runs, indirect=True, scope="module")


def plain_runs(metafunc):
    """Runs with the candidate of the command line on each engine, and the control; none if there is just one run."""
    here = metafunc.config.candidates
    engines = engines_of(metafunc)
    runs = [run(engine, here.chosen, engine) for engine in engines]
    if metafunc.definition.get_closest_marker("controlled"):
        must_fail = metafunc.definition.get_closest_marker("beyond_catatonit")
        marks = [pytest.mark.xfail(raises=AssertionError, strict=True)] if must_fail else []
        runs.append(run(engines[0], here.control, f"control-{engines[0]}", marks))
    return runs


def compared_runs(metafunc):
    """Runs with each candidate that has the job, on one engine."""
    if not metafunc.definition.get_closest_marker("compared"):
        return []
    engine = next(iter(engines_of(metafunc)), None)
    jobs = [job for job in ("init", "pause") if job in metafunc.fixturenames]
    candidates_of_job = [one for one in metafunc.config.candidates.all if all(one.has(job) for job in jobs)]
    return [run(engine, candidate, candidate.name) for candidate in candidates_of_job]


def engines_of(metafunc):
    marker = metafunc.definition.get_closest_marker("engines")
    return marker.args if marker else ()


def run(engine, candidate, name, marks=()):
    return {"engine": engine, "candidate": candidate, "id": name, "marks": marks}


def pytest_collection_modifyitems(config, items):
    if config.option.compare:
        uncompared = [item for item in items if not item.get_closest_marker("compared")]
        # The comparison is complete after all tests that are compared.
        last = [item for item in uncompared if "comparison" in item.fixturenames]
        config.hook.pytest_deselected(items=[item for item in uncompared if item not in last])
        items[:] = [item for item in items if item not in uncompared] + last
