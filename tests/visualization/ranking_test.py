"""The picture of a pair: which instance lies on top, by either score, and what the map shows."""

import numpy as np
import pytest

from panet_tf.visualization.ranking import _COLORS, draw_ranking

IMAGE = np.full((64, 80, 3), 90, "uint8")
MASKS = np.zeros((2, 64, 80), bool)
MASKS[0, 8:56, 8:72] = True
MASKS[1, 16:48, 36:44] = True
# The paper's example: a person of 0.997 and a tie of 0.662 on it.
MAP = np.where(MASKS[1], [[[0.05]], [[0.9]]], [[[0.9]], [[0.05]]])


def panels(picture):
    """The six pictures by row and column."""
    height, width = picture.shape[0] // 2, (picture.shape[1] - 16) // 3
    return [
        [picture[row * (height + 4) :][:height, column * (width + 8) :][:, :width] for column in range(3)]
        for row in range(2)
    ]


def share(panel, color):
    """How much of a picture is nearer to a colour than to the other."""
    far = np.abs(panel[..., None, :].astype(int) - _COLORS).sum(-1)
    return float((far[..., color] < 0.7 * far[..., 1 - color]).mean())


def test_the_tie_lies_on_the_person():
    picture = draw_ranking(
        IMAGE,
        MASKS,
        ["person", "tie"],
        detection_scores=(0.997, 0.662),
        ranking_scores=(0.325, 0.878),
        score_map=MAP[:, ::4, ::4],
        scale=2,
    )
    (_, first, second), (score_map, by_ranking, by_detection) = panels(picture)
    tie = MASKS[1].mean()
    assert share(by_ranking, 1) == pytest.approx(tie, rel=0.3)
    assert share(by_detection, 1) == 0.0 and share(by_detection, 0) > 0.4
    assert share(score_map, 1) == pytest.approx(tie, rel=0.4)
    assert share(first, 0) > 0.4 and share(second, 0) == 0.0 and share(second, 1) == pytest.approx(tie, rel=0.3)


def test_scores_are_the_means_over_the_masks(monkeypatch):
    titles = []
    original = draw_ranking.__globals__["side_by_side"]
    monkeypatch.setitem(
        draw_ranking.__globals__,
        "side_by_side",
        lambda images, names, **k: titles.extend(names) or original(images, names),
    )
    draw_ranking(IMAGE, MASKS, ["person", "tie"], detection_scores=(0.997, 0.662), score_map=MAP)
    person = MAP[0][MASKS[0]].mean()
    assert titles[1:3] == [
        f"person: detection 0.997, ranking {person:.3f}",
        "tie: detection 0.662, ranking 0.900",
    ]


def test_an_empty_mask_is_drawn():
    draw_ranking(IMAGE, MASKS & False, ["a", "b"], detection_scores=(1, 1), score_map=MAP)


@pytest.mark.parametrize("masks, names", [(MASKS[:, 1:], ["a", "b"]), (MASKS, ["a"]), (MASKS[:1], ["a", "b"])])
def test_what_is_no_pair(masks, names):
    with pytest.raises(ValueError, match=r"a pair .* \(64, 80\)"):
        draw_ranking(IMAGE, masks, names, detection_scores=(1, 1), score_map=MAP)
