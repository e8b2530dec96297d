"""Settings at the edges of what is allowed; tests of `DetectionData` give it whole."""

import logging
import types

import pytest

from panet_tf.data.detection_checks import check_settings, warn_of_small_canvases

GOOD = {
    "batch_size": 1,
    "max_instances": 1,
    "max_proposals": 1,
    "short_side_sampling": "choice",
    "short_sides": (None,),
    "long_side": None,
    "seed": 0,
    "std": (0.1, 1.0, 1.0),
    "semantic_context": None,
    "panoptic_categories": None,
    "source": object(),
    "scale_jitter": None,
    "training": False,
    "augment": (),
}


@pytest.mark.parametrize(
    "allowed, refused, message",
    [
        ({"batch_size": 1}, {"batch_size": 0}, "received 0, 1 and 1"),
        ({"max_proposals": 1}, {"max_proposals": 0}, "received 1, 1 and 0"),
        ({"short_sides": (1,)}, {"short_sides": (0,)}, "sides must be positive"),
        ({"long_side": 1}, {"long_side": 0}, "sides must be positive"),
        ({"short_sides": (1, 2), "training": True}, {"short_sides": (1, None), "training": True}, "must be positive"),
        (
            {"short_side_sampling": "range", "short_sides": (1, 2), "training": True},
            {"short_side_sampling": "range", "short_sides": (1,), "training": True},
            "a least and a greatest",
        ),
        ({"short_sides": (1, 2), "training": True}, {"short_sides": (1, 2)}, "need `training=True`"),
        ({"augment": (abs,), "training": True}, {"augment": (abs,)}, "need `training=True`"),
        ({"seed": 2**31 - 1}, {"seed": 2**31}, "from 0 to"),
        ({"std": (1e-6, 1, 1)}, {"std": (0, 1, 1)}, "`std` must be positive"),
        ({"panoptic_categories": (), "semantic_context": "all"}, {"semantic_context": "all"}, "'all' and object"),
        ({"scale_jitter": (1, 1), "training": True}, {"scale_jitter": (1.1, 1), "training": True}, "range of positive"),
        ({"scale_jitter": (0.1, 1), "training": True}, {"scale_jitter": (0, 1), "training": True}, "range of positive"),
    ],
)
def test_what_is_allowed_and_what_is_refused(allowed, refused, message):
    check_settings(types.SimpleNamespace(**{**GOOD, **allowed}))
    with pytest.raises(ValueError, match=message):
        check_settings(types.SimpleNamespace(**{**GOOD, **refused}))


@pytest.mark.parametrize(
    ("settings", "sizes", "warning"),
    [
        ({}, [(60, 80)], None),
        ({"short_sides": (400,)}, [(60, 80)], "1 of 1 images are shown smaller than short_side=400 and long_side=96"),
        ({"short_sides": (48, 400), "long_side": None}, [(60, 80)], "most short_side=64, long_side=96"),
        ({"short_sides": (400,), "scale_jitter": (0.5, 1)}, [(60, 80)], None),  # a window that images are cut to
        ({"long_side": 1333}, [(60, 80), (80, 60), (60, 120)], None),  # one of three is no reason
        ({"long_side": 1333}, [(60, 80), (60, 120), (60, 120)], "2 of 3 images"),
        ({"short_sides": (None,)}, [(60, 90)], None),
        ({"short_sides": (None,), "long_side": None}, [(600, 800)], "short_side=None and long_side=None"),
        ({"short_sides": (64,), "long_side": None}, None, None),  # a source that does not know: a square
        ({"short_sides": (65,), "long_side": None}, None, "1 of 1 images"),
    ],
)
def test_sides_that_no_canvas_holds_are_told(settings, sizes, warning, caplog):
    source = types.SimpleNamespace(**({} if sizes is None else {"image_sizes": sizes}))
    plain = {"canvases": ((64, 96), (96, 64)), "short_sides": (64,), "long_side": 96}
    with caplog.at_level(logging.WARNING):
        warn_of_small_canvases(types.SimpleNamespace(**{**GOOD, **plain, "source": source, **settings}))
    assert [warning in record.getMessage() for record in caplog.records] == ([True] if warning else [])
