"""What has to be installed. A test whose program is missing is skipped, and fails with CI set in the environment."""
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
    # Not at the top of the file: pytest itself may be missing.
    import pytest
    if names := missing(programs, modules):
        reason = f"not installed: {', '.join(names)}"
        if os.environ.get("CI"):
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
