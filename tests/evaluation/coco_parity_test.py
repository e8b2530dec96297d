"""What published results do not hold: categories far apart, crowds, objects at the borders of sizes, uneven images."""

import contextlib
import copy
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from panet_tf.evaluation import coco_backends
from panet_tf.evaluation.rle import masks_to_rle

SIZE = (160, 200)
IDS = (3, 4, 90, 1203)  # of 1203, as LVIS has them; 4 never occurs, 90 only as a crowd
SIDES = (31, 32, 33, 95, 96, 97)  # around COCO's areas of 32^2 and 96^2


def entry(rng, **more):
    height, width = rng.choice(SIDES, 2)
    y, x = rng.integers(0, SIZE[0] - height + 1), rng.integers(0, SIZE[1] - width + 1)
    code = masks_to_rle(np.ones((1, 28, 28)), [[y, x, y + height, x + width]], SIZE)[0]
    box = [float(v) for v in (x, y, width, height)]
    return {"bbox": box, "segmentation": code, "area": float(height * width), **more}


def moved(rng, annotation):
    """A detection near an object."""
    x, y, width, height = annotation["bbox"]
    x = float(np.clip(x + rng.integers(-6, 7), 0, SIZE[1] - width))
    y = float(np.clip(y + rng.integers(-6, 7), 0, SIZE[0] - height))
    code = masks_to_rle(np.ones((1, 28, 28)), [[y, x, y + height, x + width]], SIZE)[0]
    return {"bbox": [x, y, width, height], "segmentation": code}


def scene(seed):
    rng = np.random.default_rng(seed)
    truth = {
        "images": [{"id": i, "height": SIZE[0], "width": SIZE[1]} for i in (5, 1, 9, 70)],
        "categories": [{"id": i, "name": str(i)} for i in IDS],
        "annotations": [],
    }
    results = []
    for image in (5, 1, 9):  # the fourth has no object; the third no detection
        for _ in range(12):
            crowd = int(rng.random() < 0.25)
            category = int(rng.choice((3, 1203))) if not crowd else int(rng.choice((3, 90, 1203)))
            more = {"image_id": image, "category_id": category, "iscrowd": crowd, "id": len(truth["annotations"]) + 1}
            truth["annotations"].append(entry(rng, **more))
    for annotation in truth["annotations"]:
        for _ in range(rng.integers(0, 3) * (annotation["image_id"] != 9)):
            found = moved(rng, annotation) if rng.random() < 0.7 else entry(rng)
            keys = {"image_id": annotation["image_id"], "category_id": annotation["category_id"]}
            results.append({**keys, **{k: found[k] for k in ("bbox", "segmentation")}, "score": float(rng.random())})
    results.append({**results[0], "image_id": 70})
    return truth, results


@pytest.mark.parametrize("metric", ["bbox", "segm"])
@pytest.mark.parametrize("backend", coco_backends.BACKENDS)
def test_numbers_equal_pycocotools_own_summary(backend, metric):
    for seed in range(3):
        truth, results = scene(seed)
        if metric == "segm":
            results = [{key: value for key, value in result.items() if key != "bbox"} for result in results]
        tables = coco_backends.coco_tables(truth, results, metric=metric, backend=backend)
        found = coco_backends.summarize(*tables)
        with contextlib.redirect_stdout(io.StringIO()):
            coco = COCO()
            coco.dataset = copy.deepcopy(truth)
            coco.createIndex()
            reference = COCOeval(coco, coco.loadRes(copy.deepcopy(results)), metric)
            reference.evaluate()
            reference.accumulate()
            reference.summarize()
        assert 0.05 < found["AP"] < 0.95
        np.testing.assert_allclose(list(found.values()), reference.stats, atol=1e-12)  # float64
