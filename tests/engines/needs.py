"""What has to be installed: a missing program skips a test, and fails it on a CI machine."""
import importlib.util
import os
import shutil


def missing(programs, modules=()):
    """The names of those that are not installed."""
    return [program for program in programs if not shutil.which(program)] + \
        [f"Python's {module}" for module in modules if not importable(module)]


def importable(module):
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        # The package that the module would be in is missing too.
        return False


def require(programs, modules=()):
    """Skips the test, or fails it with CI set in the environment, if something is not installed."""
    # Here and not above: it may be what is missing.
    import pytest
    if names := missing(programs, modules):
        reason = f"not installed: {', '.join(names)}"
        if os.environ.get("CI"):
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
