"""The three implementations of the COCO metrics behind one function."""

import contextlib
import difflib
import importlib
import io

import numpy as np

BACKENDS = ("pycocotools", "hotcoco", "faster_coco_eval")
AREAS = ("all", "small", "medium", "large")
FIELDS = {"bbox": "bbox", "segm": "segmentation", "keypoints": "keypoints"}


def check_backend(backend):
    """Raises `ValueError` for an unknown backend, `ImportError` for one that is not installed."""
    if backend not in BACKENDS:
        near = difflib.get_close_matches(str(backend), BACKENDS, n=1, cutoff=0.0)[0]
        raise ValueError(f'backend must be one of {BACKENDS}, received {backend!r}. Did you mean "{near}"?')
    try:
        importlib.import_module(backend)
    except ImportError as error:
        extra = "" if backend == "pycocotools" else "[fast_eval]"
        raise ImportError(f'backend "{backend}" is not installed. Run: pip install "panet_tf{extra}"') from error


def coco_tables(
    ground_truth, results, *, metric, max_detections=(1, 10, 100), backend="pycocotools", keypoint_sigmas=None
):
    """Matches results with the ground truth and accumulates precision and recall, as the COCO API does.

    Every backend gives the same tables. They, rather than a backend's own summary, are what the evaluator reads: the
    summary of pycocotools looks AP up at 100 detections whatever was asked for.

    Args:
        ground_truth: COCO dict with `images`, `annotations` (unique ids above 0, `area`, `iscrowd`) and `categories`.
            It is not changed.
        results: list of COCO results of images and categories of `ground_truth`, with `bbox`, `segmentation` or
            `keypoints` as `metric` asks; may be empty. Not changed.
        metric: `"bbox"`, `"segm"` or `"keypoints"` (object keypoint similarity).
        max_detections: increasing ints, the highest scores that count per image and category. Defaults to (1, 10, 100).
        backend: `"pycocotools"`, `"hotcoco"` or `"faster_coco_eval"`. Defaults to `"pycocotools"`.
        keypoint_sigmas: for keypoints, one number each, see `panet_tf.evaluation.keypoint_similarity`. Defaults to
            COCO's 17.

    Returns:
        precision, float64 (10 IoUs, 101 recalls, K, 4 areas, M), and recall, float64 (10 IoUs, K, 4 areas, M): K
        categories by increasing id, areas all, small, medium, large, for keypoints 3 without small; -1 where there is
        no ground truth.

    Raises:
        ValueError: an unknown backend. ImportError: a backend that is not installed.

    Source: https://cocodataset.org/#detection-eval and pycocotools.
    """
    check_backend(backend)
    areas = len(AREAS) - (metric == "keypoints")
    counts = len(ground_truth["categories"]), areas, len(max_detections)
    if not ground_truth["images"] or not ground_truth["categories"]:
        return -np.ones((10, 101, *counts)), -np.ones((10, *counts))
    # The field decides how an API measures a result's area: a box would make "small" mean a small box in segm too.
    field = FIELDS[metric]
    results = [{key: r[key] for key in ("image_id", "category_id", "score", field)} for r in results]
    ground_truth = {**ground_truth, "annotations": [dict(a) for a in ground_truth["annotations"]]}
    with contextlib.redirect_stdout(io.StringIO()):  # the APIs print as they go
        evaluation = _EVALUATIONS[backend](ground_truth, results, metric)
        evaluation.params.maxDets = list(max_detections)
        if metric == "keypoints" and keypoint_sigmas is not None:
            evaluation.params.kpt_oks_sigmas = np.asarray(keypoint_sigmas, "float64")
        evaluation.evaluate()
        evaluation.accumulate()
        tables = evaluation.eval
    return (
        np.asarray(tables["precision"], "float64").reshape(10, 101, *counts),
        np.asarray(tables["recall"], "float64").reshape(10, *counts),
    )


def summarize(precision, recall, max_detections=(1, 10, 100)):
    """The 12 numbers of COCO out of the tables of `coco_tables`, by name.

    AP, AP50, AP75, APs, APm, APl and ARs, ARm, ARl count the largest of `max_detections`; AR1, AR10, AR100 (AR300 ...)
    one of them each. A number without any ground truth is -1.

    Args:
        precision: (10, 101, K, 4, M), or with some categories only.
        recall: (10, K, 4, M), likewise.
        max_detections: the M numbers the tables were made for.

    Returns:
        dict name -> float.
    """
    numbers = {
        "AP": _mean(precision[..., 0, -1]),
        "AP50": _mean(precision[0, ..., 0, -1]),
        "AP75": _mean(precision[5, ..., 0, -1]),
    }
    for i, area in enumerate(AREAS[1:], start=1):
        numbers[f"AP{area[0]}"] = _mean(precision[..., i, -1])
    for i, count in enumerate(max_detections):
        numbers[f"AR{count}"] = _mean(recall[..., 0, i])
    for i, area in enumerate(AREAS[1:], start=1):
        numbers[f"AR{area[0]}"] = _mean(recall[..., i, -1])
    return numbers


def summarize_keypoints(precision, recall):
    """The 10 numbers of COCO's keypoint challenge out of the tables of `coco_tables`, by name.

    AP, AP50, AP75, APm, APl and AR, AR50, AR75, ARm, ARl count the largest of `max_detections`, COCO's 20. A number
    without any ground truth is -1.

    Args:
        precision: (10, 101, K, 3, M), or with some categories only.
        recall: (10, K, 3, M), likewise.

    Returns:
        dict name -> float.
    """
    numbers = {}
    for name, table in (("AP", precision), ("AR", recall)):
        numbers |= {name: _mean(table[..., 0, -1]), f"{name}50": _mean(table[0, ..., 0, -1])}
        numbers |= {f"{name}75": _mean(table[5, ..., 0, -1])}
        numbers |= {f"{name}m": _mean(table[..., 1, -1]), f"{name}l": _mean(table[..., 2, -1])}
    return numbers


def _mean(values):
    values = values[values > -1]
    return float(values.mean()) if values.size else -1.0


def _pycocotools(ground_truth, results, metric):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def index(annotations):
        coco = COCO()
        coco.dataset = {**ground_truth, "annotations": annotations}
        coco.createIndex()
        return coco

    truth = index(ground_truth["annotations"])
    # loadRes looks at the first result, and raises IndexError when there is none.
    return COCOeval(truth, truth.loadRes(results) if results else index([]), metric)


def _hotcoco(ground_truth, results, metric):
    import hotcoco

    truth = hotcoco.COCO(ground_truth)
    return hotcoco.COCOeval(truth, truth.loadRes(results), metric)


def _faster_coco_eval(ground_truth, results, metric):
    from faster_coco_eval import COCO, COCOeval_faster

    truth = COCO(ground_truth)
    return COCOeval_faster(truth, truth.loadRes(results), metric)


_EVALUATIONS = {"pycocotools": _pycocotools, "hotcoco": _hotcoco, "faster_coco_eval": _faster_coco_eval}
