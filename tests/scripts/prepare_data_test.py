"""scripts/prepare_data.py from the command line to its exit status."""

import logging
import pathlib
import subprocess
import sys

import pytest

from tests import tiny_coco, tiny_panoptic
from tests.tiny_coco import annotation, image_entry

SCRIPT = pathlib.Path(__file__).parents[2] / "scripts" / "prepare_data.py"


@pytest.fixture
def script(run_script):
    """Function of a folder and further arguments that prepares what lies in it."""
    logger = logging.getLogger("panet_tf")
    level = logger.level
    yield lambda folder, *arguments: run_script(
        *("prepare_data", f"--annotations={folder}/all.json", f"--images={folder}/images", f"--cache={folder}/cache"),
        *arguments,
    )
    logger.setLevel(level)  # the script silences it for its process


@pytest.fixture
def flawed(tmp_path):
    annotations = [annotation(1), annotation(2, category_id=90, iscrowd=1)]
    annotations += [annotation(i, image_id=2, segmentation=[[1, 1, 2, 2]]) for i in (17, 18, 19)]
    tiny_coco.write(tmp_path, [image_entry(1), image_entry(2)], annotations)
    return tmp_path


def test_it_lists_what_is_wrong_with_which_annotation(script, flawed, capsys):
    assert script(flawed, "--max_listed=2") == 0
    out = capsys.readouterr().out
    assert "2 images, 2 annotations (1 crowds)" in out
    assert "class 1: cat (id 3): 1\n  class 2: toothbrush (id 90): 1\n" in out
    listed = (
        "polygon has fewer than three points: 3\n    2.png, image 2, annotation 17\n    2.png, image 2, annotation 18\n"
    )
    assert f"skipped annotation: {listed}    ... and 1 more" in out
    assert (flawed / "cache" / "coco_json").is_dir()


def test_strict_fails_on_faults_and_passes_without(script, flawed, tmp_path_factory, capsys):
    assert script(flawed, "--strict") == 1
    good = tmp_path_factory.mktemp("good")
    tiny_coco.write(good, annotations=[annotation(1), annotation(2, leave_out=("iscrowd",))])  # noted, not repaired
    assert script(good, "--strict") == 0
    tiny_coco.write(good)
    assert script(good, "--strict") == 0 and "No problems." in capsys.readouterr().out


def test_an_unusable_data_set_is_explained_without_a_traceback(script, flawed, capsys):
    assert script(flawed, "--categories=cta") == 2
    assert "Unusable: " in (err := capsys.readouterr().err) and "Did you mean 'cat'" in err


def test_panoptic_data_are_prepared_too(run_script, tmp_path, capsys):
    level = logging.getLogger("panet_tf").level
    ids, segments = tiny_panoptic.random_map(0)
    file, maps, images = tiny_panoptic.write_coco(tmp_path, [ids], [segments])
    cache = f"--cache={tmp_path}/cache"
    given = (f"--annotations={file}", f"--panoptic={maps}", f"--images={images}", cache)
    assert run_script("prepare_data", *given) == 0
    out = capsys.readouterr().out
    assert "1 images" in out and "stuff: grass (id 92): 1\n  stuff: sky (id 200): 1\nNo problems." in out
    tiny_panoptic.write_cityscapes(tmp_path, "val", [[[24001, 24002], [7, 7]]])
    assert run_script("prepare_data", f"--cityscapes={tmp_path}", "--split=val", cache) == 0
    assert "class 1: person (id 24): 2" in capsys.readouterr().out
    assert run_script("prepare_data", f"--vistas={tmp_path}", "--split=val", cache) == 2
    assert run_script("prepare_data", f"--cityscapes={tmp_path}", f"--images={images}", cache) == 2
    assert "received cityscapes + images" in capsys.readouterr().err
    logging.getLogger("panet_tf").setLevel(level)


@pytest.mark.slow
def test_the_command_line_shows_examples_and_exits_as_main_says(flawed):
    shown = subprocess.run([sys.executable, SCRIPT, "--help"], capture_output=True, text=True)
    assert "python scripts/prepare_data.py --annotations=" in shown.stdout
    command = [sys.executable, SCRIPT, f"--annotations={flawed}/all.json", f"--images={flawed}/images", "--strict"]
    environment = {"PYTHONPATH": str(SCRIPT.parents[1]), "PATH": "", "HOME": str(flawed)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 1 and "annotation 19" in done.stdout, done.stderr
