import collections

import numpy as np
import pytest

from panet_tf.evaluation.dataset_statistics import dataset_statistics, statistics_table
from tests.evaluation.proposal_recall_test import SIZE, scene


def test_counts_are_those_of_a_slow_walk_over_the_annotations():
    truth = scene(4, images=7, objects=6)
    truth["categories"].append({"id": 30, "name": "a"})  # a second one of this name, without instances
    found = dataset_statistics(truth)
    categories, instances, sizes = [], [], []
    for image in truth["images"]:
        own = [a for a in truth["annotations"] if a["image_id"] == image["id"] and not a["iscrowd"]]
        categories.append(len({a["category_id"] for a in own}))
        instances.append(len(own))
        sizes += [np.sqrt(a["area"] / SIZE[0] / SIZE[1]) for a in own]
    assert found["images"] == 7 and found["empty_images"] == instances.count(0) == 1
    assert found["instances"] == sum(instances) == len(truth["annotations"]) - found["crowds"]
    for kind, numbers in (("categories", categories), ("instances", instances)):
        assert found[f"images_by_{kind}"] == [numbers.count(n) for n in range(max(numbers) + 1)]
        assert found[f"{kind}_per_image"] == pytest.approx(np.mean(numbers))
    assert found["one_category"] == pytest.approx(categories.count(1) / 7)
    own = [a["category_id"] for a in truth["annotations"] if not a["iscrowd"]]
    names = collections.Counter({9: "a (9)", 2: "b"}[number] for number in own)
    assert found["instances_of_category"] == {"a (9)": names["a (9)"], "b": names["b"], "a (30)": 0}
    assert found["images_of_category"]["a (9)"] <= 6 and found["instances_per_category"] == sum(instances) / 3
    assert found["instances_by_size"] == np.histogram(sizes, found["size_edges"])[0].tolist()
    areas = np.array([a["area"] for a in truth["annotations"] if not a["iscrowd"]])
    assert found["medium"] == pytest.approx(np.mean((areas >= 32**2) & (areas < 96**2)))
    assert found["small"] + found["medium"] + found["large"] == pytest.approx(1)
    table = statistics_table({"one": found, "two": found})
    assert f"| instances | {sum(instances)} | {sum(instances)} |" in table and "| a (30) | 0 | 0 |" in table


def test_nothing_to_count_gives_zeros():
    found = dataset_statistics({"images": [], "annotations": [], "categories": []})
    assert found["instances_per_image"] == found["small"] == 0 and found["images_by_instances"] == [0]
    no_size = {"images": [{"id": 1}], "categories": [{"id": 1, "name": "a"}],
               "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 5, 5]}]}  # fmt: skip
    found = dataset_statistics(no_size)
    assert found["instances"] == 1 and sum(found["instances_by_size"]) == 0
