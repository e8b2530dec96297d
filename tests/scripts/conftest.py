"""Scripts called in this process, as the command line calls them."""

import importlib.util
import pathlib

import pytest
from absl import flags

SCRIPTS = pathlib.Path(__file__).parents[2] / "scripts"


@pytest.fixture
def run_script():
    """Function of a script's name and arguments that runs it; flags, which absl defines once a process, go again."""

    def run(name, *arguments):
        before = set(flags.FLAGS)
        spec = importlib.util.spec_from_file_location(f"{name}_script", SCRIPTS / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
            return module.main(flags.FLAGS([f"{name}.py", *map(str, arguments)]))
        finally:
            flags.FLAGS.unparse_flags()
            for flag in set(flags.FLAGS) - before:
                delattr(flags.FLAGS, flag)

    return run
