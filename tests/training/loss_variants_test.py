import pytest

from panet_tf.training.loss_variants import LOSS_VARIANTS
from tests.gin_test import parameter, parse

# form, gamma, alpha, beta; examples, their overlap, backgrounds to an object
VALUES = {
    "focal": (("focal", 2, 0.25, 1), None),
    "balanced": (("cross_entropy", 2, 0.75, 1), None),
    "ohem": (("cross_entropy", 2, None, 1), (128, 0.5, None)),
    "ohem_1to3": (("cross_entropy", 2, None, 1), (128, 0.5, 3)),
    "cross_entropy": (("cross_entropy", 2, None, 1), None),
    "focal_star": (("focal_star", 2, 0.25, 1), None),
}
# A file of another's own.
AGAINST = ("ClassLoss.beta = 5.0", "HardExampleSelector.fill = False")


@pytest.mark.parametrize("row", ["5_1a/alpha_0_75", "5_1c/gamma_5", "5_1d/ohem_512_0_7", "5_1d/ohem_1to3_256_0_5"])
def test_variants_hold_what_their_names_say_whatever_the_file_has(row):
    assert set(LOSS_VARIANTS) == set(VALUES)
    for name, (of_loss, of_selector) in VALUES.items():
        parse(f"papers/lin_thesis/table{row}.gin", *AGAINST, *LOSS_VARIANTS[name])
        loss, selector = (parameter(f"panet_tf.retinanet.{part}") for part in ("class_loss", "example_selector"))
        assert (loss.form, loss.gamma, loss.alpha, loss.beta) == of_loss
        assert loss.min_probability == 1e-5  # the file's
        if of_selector is None:
            assert selector is None
        else:
            assert (selector.count, selector.iou_threshold, selector.negatives_per_positive) == of_selector
            assert selector.fill
