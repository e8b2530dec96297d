"""Panoptic quality as one would count it by hand: a mask for each segment, a loop over all pairs."""

import collections

import numpy as np


def slow_counts(truth, truth_segments, prediction, prediction_segments):
    """Dict from category ids to [sum of IoU, TP, FP, FN] of one image, by the rules of panopticapi."""
    counts = collections.defaultdict(lambda: [0.0, 0, 0, 0])
    void = truth == 0
    matched_truth, matched_prediction = set(), set()
    for true in truth_segments:
        for found in prediction_segments:
            mask, other = truth == true["id"], prediction == found["id"]
            if true.get("iscrowd") or true["category_id"] != found["category_id"] or not (mask & other).any():
                continue
            inside = int((mask & other).sum())
            area = true.get("area", int(mask.sum()))
            union = area + int(other.sum()) - inside - int((other & void).sum())
            if inside / union > 0.5:
                counts[true["category_id"]][0] += inside / union
                counts[true["category_id"]][1] += 1
                matched_truth.add(true["id"])
                matched_prediction.add(found["id"])
    last_crowd = {}
    for true in truth_segments:
        if true.get("iscrowd"):
            last_crowd[true["category_id"]] = true["id"]
        elif true["id"] not in matched_truth:
            counts[true["category_id"]][3] += 1
    for found in prediction_segments:
        if found["id"] in matched_prediction:
            continue
        other = prediction == found["id"]
        ignored = int((other & void).sum())
        if found["category_id"] in last_crowd:
            ignored += int((other & (truth == last_crowd[found["category_id"]])).sum())
        if ignored / other.sum() <= 0.5:
            counts[found["category_id"]][2] += 1
    return counts


def slow_result(counts, categories):
    """(pq, sq, rq, n) over the categories that occur."""
    rows = []
    for category in categories:
        iou, tp, fp, fn = counts[category["id"]]
        if tp + fp + fn:
            half = tp + fp / 2 + fn / 2
            rows.append((iou / half, iou / tp if tp else 0.0, tp / half))
    return (*np.mean(rows, axis=0), len(rows)) if rows else (-1.0, -1.0, -1.0, 0)
