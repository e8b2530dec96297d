"""The gin files of OANet and Panoptic FPN: each row of the paper's tables is what it says."""

import keras
import pytest

from tests.gin_test import FILES, macro, parameter, parse

PANOPTIC = tuple({"id": i, "name": str(i), "isthing": int(i <= 6)} for i in range(1, 11))
BASE = {"context": "all", "weight": 0.25, "sharing": (0, False), "kernel": None, "instances": True}
ROWS = {
    "table1/lambda_0_33": {"weight": 0.33},
    "table2/stuff": {"context": "stuff_ignore"},
    "table3/panoptic_instances_r50": {"sharing": (1, True), "instances": False},
    "table3/ranking_r101": {"kernel": "1x7+7x1"},
    "table4/none_r101": {"sharing": (1, True)},
    "table4/backbone_r50": {"sharing": (1, False)},
    "table5/1x1": {"kernel": "1x1"},
}


def build(file):
    parse(file, "resnet.weights = None", "mobilenet_v2.weights = None", "resnet.depth = 18")
    with keras.StatelessScope():
        return macro("MODEL")(categories=PANOPTIC)


SLOW = ("table1/lambda_0_33", "table3/panoptic_instances_r50", "table4/backbone_r50", "table5/1x1")


@pytest.mark.parametrize("row", [pytest.param(row, marks=pytest.mark.slow) if row in SLOW else row for row in ROWS])
def test_rows_of_the_tables_are_what_they_say(row):
    expected, model = {**BASE, **ROWS[row]}, build(f"papers/oanet/{row}.gin")
    assert model.panoptic_merger.context == parameter("DetectionData.semantic_context") == expected["context"]
    assert model.semantic_head.num_classes == {"all": 10, "stuff_ignore": 4}[expected["context"]]
    assert model.loss_weights == {"semantic_loss": expected["weight"]}
    assert (len(model.semantic_necks), model.semantic_backbone is not None) == expected["sharing"]
    assert (model.spatial_ranking and model.spatial_ranking.kernel) == expected["kernel"]
    assert bool(macro("TRAIN_INSTANCES")) == expected["instances"]


def test_depths_are_in_the_names():
    for file in FILES:
        if file.startswith("papers/oanet/"):
            parse(file)
            assert parameter("resnet.depth") == (101 if "r101" in file or "table6" in file else 50)


def test_models():
    small = build("models/oanet_mobilenet_v2.gin")
    assert small.backbone.name == "mobilenet_v2" and small.semantic_head.filters == 32
    assert small.rpn_head.filters == 64 and len(small.categories) == 6
    summing = build("models/panoptic_fpn_r50.gin")
    assert summing.semantic_head.num_classes == 5 and summing.spatial_ranking is None
    assert (summing.panoptic_merger.stuff_area, summing.panoptic_merger.thing_classes) == ("total", "void")


def test_the_schedule_is_the_papers():
    parse("schedules/oanet_100k.gin", "BATCH_SIZE = 16")
    rate = parameter("panet_tf.train.optimizer")()._learning_rate
    assert parameter("panet_tf.train.steps") == 100_000
    wanted = {0: 0.002, 2_000: 0.02, 59_999: 0.02, 60_000: 0.002, 80_000: 0.0002, 99_999: 0.0002}
    assert {step: float(rate(step)) for step in wanted} == pytest.approx(wanted, rel=1e-3)
