"""What PANet's rows with batch norm leave plain, and that the bindings of their headers norm it."""

import pytest

from tests.gin_test import ROOT, build, parse

TINY = ("resnet.weights = None", "resnet.depth = 18")


def bindings(row):
    """Those that a file's header offers: indented lines of comment."""
    lines = (ROOT / f"gin/papers/panet/{row}.gin").read_text().splitlines()
    return tuple(line[1:].strip() for line in lines if line.startswith("#   "))


def without_norm(row, *given):
    """Kernels without a norm behind them, and the model's number of predictors."""
    parse(f"papers/panet/{row}.gin", *TINY, *given)
    model = build()
    names = [weight.path.rsplit("/", 1)[-1] for weight in model.weights]
    return names.count("kernel") - names.count("gamma"), 4 if model.mask_head is None else 5


@pytest.mark.parametrize(
    ("row", "sources", "plain"),
    [
        ("table3/baseline_mst_mbn", ("table3/baseline_mst_mbn",), 2),  # of the RPN, and the deconvolution
        ("table3/panet", ("table3/baseline_mst_mbn",), 4),  # and both fully-connected layers
        ("table9/baseline_mbn", ("table3/baseline_mst_mbn",), 2),
        ("table3/detector_mst_mbn", ("table3/detector_mst_mbn",), 1),
        ("table3/detector_panet", ("table3/detector_mst_mbn", "table3/detector_panet"), 2),
    ],
)
def test_headers_bindings_norm_every_new_layer(row, sources, plain):
    found, predictors = without_norm(row)
    assert found == predictors + plain
    found, predictors = without_norm(row, *(binding for source in sources for binding in bindings(source)))
    assert found == predictors
