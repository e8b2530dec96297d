"""The package as a whole: what importing it costs and needs, and that the names its pages speak of are there."""

import importlib
import os
import pathlib
import re
import subprocess
import sys

import gin
import pytest

import panet_tf

ROOT = pathlib.Path(__file__).parents[1]
PAGES = [*(ROOT / "panet_tf").rglob("*.py"), *(ROOT / "scripts").glob("*.py"), ROOT / "Makefile"]
PAGES += [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "notebooks").glob("*.ipynb")]


def python(code, **environment):
    """What a fresh process does with some code: (exit status, standard output, standard error)."""
    kept = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={**kept, **environment}, capture_output=True, text=True
    )
    return done.returncode, done.stdout.strip(), done.stderr.strip()


def test_importing_adds_less_than_half_a_second_to_keras():
    code = """
import time
import keras
start = time.process_time()  # other processes may keep the machine busy
import panet_tf
print(time.process_time() - start)
import sys
print([name for name in ("tensorflow_datasets", "keras_cv", "keras_hub", "matplotlib", "torch") if name in sys.modules])
"""
    status, output, errors = python(code)
    assert status == 0, errors
    seconds, heavy = output.splitlines()
    assert float(seconds) < 0.5
    assert heavy == "[]"


def test_importing_brings_every_class_that_a_keras_file_may_hold():
    """`keras.saving.load_model` in a fresh process needs no other import."""
    code = """
import importlib, pkgutil
import keras
import panet_tf
first = set(keras.saving.get_custom_objects())
for module in pkgutil.walk_packages(panet_tf.__path__, "panet_tf."):
    importlib.import_module(module.name)
objects = keras.saving.get_custom_objects()
print(len([name for name in first if name.startswith("panet_tf>")]))
print([f"{value.__module__}.{value.__name__}" for name, value in objects.items() if name not in first])
"""
    status, output, errors = python(code)
    assert status == 0, errors
    early, late = output.splitlines()[-2:]
    assert int(early) > 40
    assert late == "[]"  # each of these wants an import in the __init__.py of its folder


@pytest.mark.parametrize("backend", ["jax", "torch", "openvino"])
def test_another_backend_fails_with_one_clear_line(backend):
    status, _, errors = python("import panet_tf", KERAS_BACKEND=backend)
    assert status == 1
    assert errors.splitlines()[-1] == (
        f'ImportError: panet_tf needs the TensorFlow backend of Keras, received KERAS_BACKEND="{backend}". '
        "Set KERAS_BACKEND=tensorflow before the first import of keras."
    )


def test_another_backend_is_seen_when_keras_was_imported_before():
    code = """
import sys, types
keras = sys.modules["keras"] = types.ModuleType("keras")  # stands for one that runs on JAX
keras.backend = types.SimpleNamespace(backend=lambda: "jax")
import panet_tf
"""
    status, _, errors = python(code)
    assert status == 1 and 'received KERAS_BACKEND="jax"' in errors.splitlines()[-1]


def test_every_public_name_is_there_listed_and_spoken_of():
    readme = (ROOT / "README.md").read_text()
    assert not [name for name in panet_tf.__all__ if f"panet_tf.{name}" not in readme]
    for module in (panet_tf, panet_tf.data):
        for name in module.__all__:
            assert callable(getattr(module, name)) and name in dir(module)
        with pytest.raises(AttributeError, match="has no attribute 'no_such_name'"):
            module.no_such_name  # noqa: B018


def _exists(name):
    """Whether a dotted name leads somewhere: by modules as far as there are any, then by attributes; or to gin's."""
    parts = name.split(".")
    if gin.config._REGISTRY.get_match(".".join(parts[:2])) is not None:  # panet_tf.SGD, panet_tf.SGD.learning_rate
        return True
    value = panet_tf
    for depth, part in enumerate(parts[1:], start=2):
        try:
            value = getattr(value, part)
        except AttributeError:
            try:
                value = importlib.import_module(".".join(parts[:depth]))
            except ImportError:
                return False
    return True


def test_names_in_docstrings_messages_and_pages_exist():
    panet_tf.gin_setup()
    missing = {}
    for page in PAGES:
        for name in sorted(set(re.findall(r"\bpanet_tf(?:\.[A-Za-z_]\w*)+", page.read_text()))):
            if not _exists(name):
                missing.setdefault(str(page.relative_to(ROOT)), []).append(name)
    assert not missing
