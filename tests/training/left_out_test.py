"""What was left out of the training data is printed."""

import io

import pytest

from panet_tf.data.detection_data import DetectionData
from panet_tf.data.mask_patches import MaskPatches
from panet_tf.data.occluded_shapes_source import OccludedShapesSource
from panet_tf.training.left_out import LeftOut, left_out
from tests.training.killed_run import run
from tests.training.tiny import TinyData


@pytest.mark.parametrize("kind, counter", [(DetectionData, "dropped_instances"), (MaskPatches, "unusable_patches")])
def test_what_the_data_count(kind, counter):
    counted = kind(source=OccludedShapesSource(image_size=(64, 64), num_examples=1), batch_size=1)
    assert list(left_out(counted).values()) == [0]
    setattr(counted, counter, 7)
    assert list(left_out(counted).values()) == [7]


@left_out.register
def _(data: TinyData):
    return {"boxes": getattr(data, "left", 0)}


def test_growth_is_printed_after_an_epoch_and_all_at_the_end():
    counted, out = TinyData(), io.StringIO()
    callback = LeftOut(counted, file=out)
    for left in (0, 2, 2, 5):
        counted.left = left
        callback.on_epoch_end(0)
    callback.on_train_end()
    words = "left out of the training data"
    assert out.getvalue().splitlines() == [f"{words} so far: {n} boxes" for n in (2, 5)] + [f"{words} in all: 5 boxes"]


def test_data_that_count_nothing():
    assert left_out(object()) == {}


def test_training_prints_it(tmp_path, capsys):
    counted = TinyData()
    counted.left = 3
    run(tmp_path, steps=1, eval_data=None, train_data=counted, verbose="auto")
    assert "left out of the training data in all: 3 boxes" in capsys.readouterr().out
