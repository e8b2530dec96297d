import json

import pytest

from panet_tf.data.problem_report import ProblemReport


def test_problems_are_counted_beyond_those_that_are_kept():
    report, part = ProblemReport(), ProblemReport()
    for i in range(700):
        report.add("note", "no iscrowd", image_id=i)
        part.add("note", "no iscrowd", image_id=1000 + i)
    part.add("skipped image", "image file is missing", file="a.png", image_id=3)
    report.merge(part)
    assert report.count("note") == 1400 and report.count("skipped image") == 1 and report.count("repaired") == 0
    assert sum(p.action == "note" for p in report.problems) == 1000
    assert "skipped image: image file is missing: 1\n    a.png, image 3" in report.summary(max_listed=2)
    assert "... and 1398 more" in report.summary(max_listed=2)


def test_a_report_survives_json_whatever_stands_in_it():
    report = ProblemReport()
    report.add("skipped annotation", "annotation is not a dict", image_id={"a": [1]}, annotation_id=2, detail=object())
    report.add("repaired", "no bbox", file="a.png", image_id=1)
    again = ProblemReport.from_dict(json.loads(json.dumps(report.to_dict())))
    assert again.counts == report.counts and again.problems == report.problems


def test_unknown_actions_are_refused():
    with pytest.raises(ValueError, match="action must be one of"):
        ProblemReport().add("ignored", "rule")
