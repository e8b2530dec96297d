"""The panoptic signature: PNG files and tables, beside the model's own map."""

import io
import json

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from panet_tf.data.preprocessing import Preprocessing
from panet_tf.export.panoptic_maps import panoptic_pictures
from panet_tf.export.saved_model import export_saved_model
from panet_tf.ops.panoptic_ids import rgb_to_ids
from tests.export.saved_model_test import encoded
from tests.models.panoptic_scene import PANOPTIC, tiny_oanet


def read(png):
    picture = Image.open(io.BytesIO(png))
    assert picture.mode == "RGB"
    return rgb_to_ids(np.asarray(picture))


@pytest.mark.slow
def test_a_served_map_is_the_models_at_the_original_size(tmp_path):
    preprocessing = Preprocessing(canvases=((64, 96),), short_side=None, long_side=None)
    model = tiny_oanet()
    folder = export_saved_model(model, tmp_path, preprocessing=preprocessing)
    written = json.loads((folder / "assets.extra" / "panoptic_categories.json").read_text())
    assert written == [dict(category) for category in PANOPTIC]
    signature = tf.saved_model.load(str(folder)).signatures["panoptic"]
    images = [encoded(40, 60), encoded(64, 80, seed=1)]
    served = signature(image_bytes=tf.constant([contents for _, contents in images]))
    for i, (pixels, _) in enumerate(images):
        height, width = pixels.shape[:2]
        ids = read(served["panoptic_png"][i].numpy())
        expected = model({key: value[None] for key, value in preprocessing(pixels, (64, 96)).items()})
        assert ids.shape == (height, width)
        same = ids == expected["panoptic"][0, :height, :width].numpy()  # scale 1: a crop of the canvas
        assert same.mean() > 0.99  # a mask's edge may fall to the other side
        table = [served[f"segment_{name}"][i].numpy() for name in ("ids", "categories", "areas")]
        seen = {n: (c, a) for n, c, a in zip(*table) if n}
        assert set(seen) == set(np.unique(ids)) - {0} and seen
        assert {c for c, _ in seen.values()} <= {category["id"] for category in PANOPTIC}
        assert all((ids == n).sum() == area for n, (_, area) in seen.items())


def test_segments_that_vanish_at_the_original_size_leave_the_table():
    panoptic = np.full((1, 4, 6), 300, "int32")  # more segments than one channel counts
    panoptic[0, 1, 1] = 2  # not read at half the size
    classes = np.zeros((1, 300), "int32")
    classes[0, [1, 299]] = 1, 4
    found = {"panoptic": panoptic, "segment_classes": classes, "segment_scores": np.full((1, 300), 0.5, "float32")}
    inputs = {"original_sizes": [[2, 3]], "scales": [[2, 2]], "offsets": [[0, 0]], "image_sizes": [[4, 6]]}
    inputs = {key: tf.constant(value, tf.float32) for key, value in inputs.items()}
    found = tf.nest.map_structure(tf.constant, found)
    pictures = panoptic_pictures(found, inputs, PANOPTIC)
    half = np.unique(read(pictures["panoptic_png"][0].numpy()))
    shown = {2: 7} if 2 in half else {}
    table = zip(*(pictures[f"segment_{name}"][0].numpy() for name in ("ids", "categories")))
    assert {n: c for n, c in table if n} == {300: 5} | shown
    whole = panoptic_pictures(
        found, inputs | {"original_sizes": tf.constant([[4.0, 6.0]]), "scales": tf.ones((1, 2))}, PANOPTIC
    )
    np.testing.assert_array_equal(read(whole["panoptic_png"][0].numpy()), panoptic[0])
    assert whole["segment_areas"][0, 1] == 1 and whole["segment_areas"][0, 299] == 23
