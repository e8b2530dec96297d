"""Scripts called in this process, as the command line calls them."""

import contextlib
import importlib.util
import pathlib
import sys

import pytest
from absl import flags

ROOT = pathlib.Path(__file__).parents[2]


@contextlib.contextmanager
def loaded(path):
    """The module of a script, its path from the root; flags, which absl defines once a process, go again."""
    before = set(flags.FLAGS)
    spec = importlib.util.spec_from_file_location(f"{path.stem}_script", ROOT / path)
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str((ROOT / path).parent))  # as Python does for a script
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.pop(0)
        flags.FLAGS.unparse_flags()
        for flag in set(flags.FLAGS) - before:
            delattr(flags.FLAGS, flag)


@pytest.fixture
def run_script():
    """Function of a script's name and arguments that runs it."""

    def run(name, *arguments):
        with loaded(pathlib.Path("scripts", f"{name}.py")) as module:
            return module.main(flags.FLAGS([f"{name}.py", *map(str, arguments)]))

    return run


@pytest.fixture
def parse_flags():
    """Function of a script's path and arguments: values of the flags that were given, as its own flags read them."""

    def parse(path, *arguments):
        with loaded(pathlib.Path(path)):
            flags.FLAGS([path, *arguments])
            return {name: flags.FLAGS[name].value for name in flags.FLAGS if flags.FLAGS[name].present}

    return parse
