"""Shared fixtures: golden values from a folder that the environment may replace, and a clean gin for every test."""

import importlib.util
import os
import pathlib
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import pytest

GOLDEN = pathlib.Path(os.environ.get("PANET_TF_GOLDEN", pathlib.Path(__file__).parent / "golden"))


@pytest.fixture(scope="session")
def golden():
    """Function from a file's stem ("ops") to its recorded arrays."""
    return lambda stem: np.load(GOLDEN / f"{stem}.npz")


@pytest.fixture(scope="session")
def seeded():
    """Module that draws the golden weights and images again: `seeded(name, shape, seed)`, `image(h, w, seed)`."""
    folder = GOLDEN if (GOLDEN / "seeded.py").exists() else pathlib.Path(__file__).parent / "golden"
    spec = importlib.util.spec_from_file_location("golden_seeded", folder / "seeded.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup():
    """Every test, and every fixture made for it, draws the same weights alone and among others."""
    if keras := sys.modules.get("keras"):
        keras.utils.set_random_seed(0)


@pytest.fixture(autouse=True)
def clean_gin():
    """No binding of one test reaches the next."""
    import gin

    gin.clear_config()
    yield
    gin.clear_config()
