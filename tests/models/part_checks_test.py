"""Parts that do not fit each other, one pair at a time; models with real parts are refused in rcnn_test.py."""

import types

import pytest

from panet_tf.models.part_checks import check_parts


def part(**attributes):
    return types.SimpleNamespace(**attributes)


def model(**changes):
    """What `check_parts` looks at: a plain two-stage detector of two categories with masks."""
    parts = {
        "categories": [1, 2],
        "rpn_head": part(num_anchors=3),
        "anchor_generator": part(num_anchors=3),
        "box_pooling": part(),
        "box_head": part(num_classes=2),
        "mask_pooling": part(),
        "mask_head": part(num_classes=2),
        "keypoint_pooling": None,
        "keypoint_head": None,
        "shared_head": None,
        "box_stages": [],
        "roi_sampler": part(box_weights=(10, 10, 5, 5)),
        "detection_selector": part(box_weights=(10, 10, 5, 5)),
        "interleaving": None,
        "spatial_ranking": None,
        "panoptic_merger": None,
        "panoptic_categories": None,
        "semantic_head": None,
        "semantic_backbone": None,
        "semantic_necks": [],
    }
    return part(**{**parts, **changes})


STAGE = part(box_head=part(num_classes=2), roi_sampler=part(box_weights=(20, 20, 10, 10)))
LAST_WEIGHTS = part(box_weights=(20, 20, 10, 10))
LEVELS = {"box_pooling": part(with_levels=True), "box_head": part(takes_levels=True)}
PANOPTIC = {"semantic_head": part(), "panoptic_categories": (1,)}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"rpn_head": None},  # Fast R-CNN
        {"box_pooling": None, "box_head": None, "mask_pooling": None, "mask_head": None},  # proposals alone
        {"box_stages": [STAGE], "detection_selector": LAST_WEIGHTS},
        {"shared_head": part(), "mask_pooling": None},  # the mask branch takes what the box branch pooled
        {"interleaving": "reuse"},
        {"interleaving": "repool", "box_stages": [STAGE], "detection_selector": LAST_WEIGHTS},
        LEVELS,
        {"mask_head": part()},  # a head for any number of classes
        {**PANOPTIC, "panoptic_merger": part(), "spatial_ranking": part(), "semantic_necks": [part()]},
    ],
)
def test_what_fits_is_let_through(changes):
    check_parts(model(**changes))


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"mask_head": part(num_classes=3)}, "mask_head must have .* received 3 and 2"),
        (
            {"box_stages": [part(**{**vars(STAGE), "box_head": part(num_classes=5)})]},
            "stage 2 must .* received 5 and 2",
        ),
        ({"anchor_generator": part(num_anchors=9)}, "same num_anchors, received 3 and 9"),
        ({"box_stages": [STAGE]}, "the last roi_sampler and detection_selector must have the same box_weights"),
        ({"box_pooling": part(with_levels=True)}, "with_levels=True of box_pooling and SimpleNamespace"),
        ({"mask_head": part(takes_levels=True)}, "with_levels=False of mask_pooling"),
        ({**LEVELS, "shared_head": part()}, "stand alone"),
        ({**LEVELS, "box_stages": [STAGE]}, "stand alone"),
        ({"mask_pooling": None}, "mask_pooling and mask_head come together"),
        ({"keypoint_pooling": part()}, "keypoint_pooling and keypoint_head come together"),
        ({"box_pooling": None}, "box_pooling and box_head come together"),
        ({"box_pooling": None, "box_head": None, "rpn_head": None}, "received neither"),
        ({"interleaving": "both"}, "received 'both'"),
        ({"interleaving": "reuse", "box_stages": [STAGE]}, "a cascade of stages"),
        ({"interleaving": "repool", "mask_pooling": None, "mask_head": None}, "interleaving needs a mask_head"),
        ({"box_pooling": None, "box_head": None}, "mask_head needs a box_head"),
        ({"spatial_ranking": part()}, "spatial_ranking needs a semantic_head"),
        ({**PANOPTIC, "spatial_ranking": part()}, "spatial_ranking needs a panoptic_merger"),
        ({"panoptic_merger": part()}, "panoptic_merger needs a semantic_head"),
        ({"semantic_head": part()}, "semantic_head needs a panoptic_categories"),
        ({"semantic_backbone": part()}, "semantic_backbone needs a semantic_head"),
        ({"semantic_necks": [part()]}, "semantic_necks needs a semantic_head"),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        check_parts(model(**changes))
