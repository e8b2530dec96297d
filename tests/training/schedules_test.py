"""Learning-rate schedules against their tables."""

import keras
import numpy as np
import pytest

from panet_tf.training.warmup_cosine_decay import WarmupCosineDecay
from panet_tf.training.warmup_schedule import scaled_steps
from panet_tf.training.warmup_step_decay import WarmupStepDecay


def rates(schedule, steps):
    return [float(schedule(step)) for step in steps]


def test_detectrons_schedule():
    # Detectron's e2e_mask_rcnn 2x: 0.02, 500 updates from a third, a tenth at 120k and at 160k.
    schedule = WarmupStepDecay(0.02, boundaries=(120_000, 160_000))
    steps = [0, 250, 500, 119_999, 120_000, 159_999, 160_000]
    expected = [0.02 / 3, 0.02 * 2 / 3, 0.02, 0.02, 0.002, 0.002, 0.0002]
    np.testing.assert_allclose(rates(schedule, steps), expected, rtol=1e-5)


def test_a_quarter_of_the_batch_has_a_quarter_of_the_rate_for_four_times_the_updates():
    full = WarmupStepDecay(0.02, boundaries=(100, 200), warmup_steps=50)
    quarter = WarmupStepDecay(0.02, boundaries=(100, 200), warmup_steps=50, batch_size=4)
    for step in (0, 10, 49, 50, 99, 100, 150, 200, 300):
        assert float(quarter(4 * step)) == pytest.approx(float(full(step)) / 4, rel=1e-5)


def test_counts_can_be_kept_for_another_batch():
    schedule = WarmupStepDecay(0.02, boundaries=(100,), warmup_steps=0, batch_size=4, scale_steps=False)
    np.testing.assert_allclose(rates(schedule, [99, 100]), [0.005, 0.0005], rtol=1e-5)


def test_cosine_ends_and_middle():
    schedule = WarmupCosineDecay(0.1, steps=1100, warmup_steps=100, warmup_factor=0.0, final_factor=0.2)
    expected = [0.0, 0.05, 0.1, 0.1 * (0.2 + 0.8 / 2), 0.02, 0.02]
    np.testing.assert_allclose(rates(schedule, [0, 50, 100, 600, 1100, 5000]), expected, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize(
    "schedule",
    [
        WarmupStepDecay(0.3, boundaries=(5, 9), gamma=0.5, batch_size=2, reference_batch_size=8, warmup_steps=3),
        WarmupCosineDecay(0.3, steps=40, warmup_steps=4, batch_size=2, scale_steps=False, final_factor=0.1),
    ],
)
def test_survives_its_config(schedule):
    again = keras.optimizers.schedules.deserialize(keras.optimizers.schedules.serialize(schedule))
    assert type(again) is type(schedule)
    assert rates(again, range(0, 60, 7)) == rates(schedule, range(0, 60, 7))


@pytest.mark.parametrize(
    "make",
    [
        lambda: WarmupStepDecay(0.1, boundaries=(20, 10)),
        lambda: WarmupStepDecay(0.0),
        lambda: WarmupStepDecay(0.1, warmup_factor=2.0),
        lambda: WarmupCosineDecay(0.1, steps=10, warmup_steps=10),
        lambda: scaled_steps(10, batch_size=0),
    ],
)
def test_impossible_arguments_are_refused(make):
    with pytest.raises(ValueError, match="received"):
        make()


def test_scaled_steps():
    assert scaled_steps(160_000, batch_size=2) == 1_280_000
    assert scaled_steps(3, batch_size=100) == 1
