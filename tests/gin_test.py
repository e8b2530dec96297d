"""Every shipped gin file: parsed, its structure, data and schedules made; and the answers to typing errors."""

import configparser
import copy
import pathlib
import re
import subprocess
import sys

import gin
import keras
import numpy as np
import pytest

from panet_tf.data import embedded_paths
from panet_tf.gin_setup import gin_folder, parse_gin
from panet_tf.layers.adaptive_pooling import AdaptivePooling
from panet_tf.necks.pafpn import PAFPN
from panet_tf.training.sgd import SGD
from tests.tiny_data_paths import PATHS, tiny_paths

ROOT = pathlib.Path(__file__).parents[1]
FILES = sorted(str(path.relative_to(ROOT / "gin")) for path in (ROOT / "gin").rglob("*.gin"))
CATEGORIES = tuple({"id": i, "name": str(i), "isthing": 1, "keypoints": list("abcde")} for i in range(1, 81))

# What a run of one file needs from others: schedules and runs are no whole configuration.
COMPANIONS = {
    "runs/nuclei": (),  # whole ones, but for paths
    "runs/keypoints_shapes.gin": (),
    "runs/occluded_shapes_oanet.gin": (),
    "runs/compare_losses.gin": (),
    "runs/alternate_training.gin": ("models/panet_mobilenet_v2.gin", "data/coco.gin", "schedules/cosine.gin"),
    "schedules/": ("runs/train.gin", "models/panet_mobilenet_v2.gin", "data/nuclei_mini.gin"),
    "runs/": ("models/panet_mobilenet_v2.gin", "data/nuclei_mini.gin", "schedules/cosine.gin"),
}

# Rows of PANet's tables: bottom-up path, adaptive pooling, the convolution that the fully-connected branch starts from,
# heavier head.
ROWS = {
    "table3/baseline": (False, False, None, False),
    "table3/baseline_mst": (False, False, None, False),
    "table3/baseline_mst_mbn": (False, False, None, False),
    "table3/bpa": (True, False, None, False),
    "table3/afp": (False, True, None, False),
    "table3/bpa_afp": (True, True, None, False),
    "table3/bpa_afp_ff": (True, True, "conv3", False),
    "table3/panet": (True, True, "conv3", True),
    "table4/fu_fc1fc2": (False, True, None, False),
    "table4/sum": (False, True, None, False),
    "table5/conv2": (True, True, "conv2", False),
    "table5/conv4": (True, True, "conv4", False),
    "table5/max": (True, True, "conv3", False),
    "table5/prod": (True, True, "conv3", False),
    "table9/panet": (True, True, "conv3", True),
    "table10/panet": (True, True, "conv3", True),
}


def parse(file, *bindings):
    """Parses a shipped file with what it needs beside it, and paths that are there."""
    companions = next((files for folder, files in COMPANIONS.items() if file.startswith(folder)), ())
    paths = [*embedded_paths.nuclei_mini("train"), *embedded_paths.nuclei_mini("val")]
    given = [f'{name} = "{path}"' for name, path in zip(PATHS, paths)]
    own_images = ("data/coco.gin", "data/nuclei.gin", "data/nuclei_panoptic.gin", "runs/nuclei")
    needs_paths = "CocoSource" in (ROOT / "gin" / file).read_text() or file.startswith(own_images)
    if "CocoPanopticFiles" in (ROOT / "gin" / file).read_text():
        given, needs_paths = [*given, *(f'{part}_PANOPTIC = "{paths[1]}"' for part in ("TRAIN", "EVAL"))], True
    parse_gin([*(name for name in companions if name != file), file], [*(given if needs_paths else ()), *bindings])


def macro(name):
    """Value of a macro, as a configurable that uses it receives it."""
    return copy.deepcopy(gin.query_parameter(f"{name}/gin.macro.value"))


def parameter(name):
    return copy.deepcopy(gin.query_parameter(name))


def build():
    """The model of the current configuration, all shapes and no weights."""
    with keras.StatelessScope():
        return macro("MODEL")(categories=CATEGORIES)


@pytest.mark.parametrize("file", FILES)
def test_parses_and_says_what_it_is(file):
    parse(file)
    header = (ROOT / "gin" / file).read_text().split("\n\n")[0]
    assert header.startswith("# ")
    if file.startswith("papers/"):
        papers = r"PANet|Mask R-CNN|SA-FPN \+ EJ-Head|OANet|Lin's thesis,"
        assert re.search(rf"^# ({papers}) (Table|Figure) \d+", header), header
        assert "\n# Paper: " in header and "not run here" in header


@pytest.mark.parametrize("file", [file for file in FILES if file.startswith("models/")] + ["quickstart.gin"])
def test_models_are_built(file):
    parse(file, "resnet.weights = None", "mobilenet_v2.weights = None", *NO_VGG)
    model = build()
    assert model.categories == CATEGORIES
    depth = re.search(r"_r(\d+)", file)
    if depth:  # the bottlenecks of conv4: 6 for ResNet-50, 23 for ResNet-101
        blocks = {re.match(r"layer3_\d+|", layer.name).group() for layer in model.backbone.layers} - {""}
        assert len(blocks) == {50: 6, 101: 23}[int(depth.group(1))]


@pytest.mark.parametrize("row", ROWS)
def test_rows_of_the_tables_are_what_they_say(row):
    bottom_up, adaptive, fully_connected, heavy = ROWS[row]
    file = f"papers/panet/{row}.gin"
    parse(file, "resnet.weights = None", "resnet.depth = 18")
    model = build()
    assert any(isinstance(neck, PAFPN) for neck in model.necks) == bottom_up
    assert isinstance(model.box_pooling, AdaptivePooling) == isinstance(model.mask_pooling, AdaptivePooling) == adaptive
    assert model.mask_head.fully_connected == fully_connected
    assert (model.box_head.num_convs, model.box_head.num_fcs) == ((4, 1) if heavy else (0, 2))
    name = row.split("/")[1]
    if adaptive:
        assert model.box_head.fuse == model.mask_head.fuse == ("before" if name == "fu_fc1fc2" else "after")
        assert model.box_head.fusion == model.mask_head.fusion == ("sum" if row == "table4/sum" else "max")
    if row.startswith("table5"):
        assert model.mask_head.fully_connected_fusion == (name if name in ("max", "prod") else "sum")
    if "baseline" in row and "mbn" not in row:
        assert not any("stem" in w.path or "conv1" == w.path.split("/")[0] for w in model.trainable_weights)
    else:
        assert len(model.backbone.trainable_weights) == len(model.backbone.trainable_variables) > 0
    if row == "table10/panet":
        assert model.anchor_generator.num_anchors == 10


@pytest.mark.parametrize(
    "name, parts",
    [
        ("detector", (False, False, 0)),
        ("detector_mst_mbn", (False, False, 0)),
        ("detector_bpa", (True, False, 0)),
        ("detector_afp", (False, True, 0)),
        ("detector_bpa_afp", (True, True, 0)),
        ("detector_panet", (True, True, 4)),
    ],
)
def test_detectors_without_masks(name, parts):
    parse(f"papers/panet/table3/{name}.gin", "resnet.weights = None", "resnet.depth = 18")
    model = build()
    bottom_up = any(isinstance(neck, PAFPN) for neck in model.necks)
    assert (bottom_up, isinstance(model.box_pooling, AdaptivePooling), model.box_head.num_convs) == parts
    assert model.mask_head is None


@pytest.mark.parametrize(
    "row, parts",
    [  # keypoints, masks, operator of the regions' features, blocks of conv4, channels of its first 3x3 convolution
        ("table5/mask", (False, True, "align", 2, 256)),
        ("table5/mask_and_keypoint", (True, True, "align", 2, 256)),
        ("table6/roi_pool", (True, False, "pool", 2, 256)),
        ("table9/x101", (True, False, "align", 23, 1024)),
    ],
)
def test_rows_of_keypoints(row, parts):
    parse(f"papers/mask_rcnn/{row}.gin", "resnet.weights = None", *(() if "table9" in row else ("resnet.depth = 18",)))
    model = build()
    blocks = {re.match(r"layer3_\d+|", layer.name).group() for layer in model.backbone.layers} - {""}
    head, pooling = model.keypoint_head, model.keypoint_pooling or model.box_pooling
    channels = model.backbone.get_layer("layer3_0_conv2").filters
    assert (head is not None, model.mask_head is not None, pooling.operator, len(blocks), channels) == parts
    if head is not None:
        assert (head.num_keypoints, head.num_convs, head.filters) == (5, 8, 512)
        assert model.box_beta == 0.5 and model.proposal_selector.post_nms_top_k == (1500, 1000)
    steps = 130_000 if row.startswith("table9") else 90_000
    assert parameter("panet_tf.train.steps") == steps


@pytest.mark.parametrize(
    "file, steps, rates",
    [  # (update, learning rate) at the papers' batch
        ("schedules/coco_1x.gin", 90_000, {0: 0.02 / 3, 500: 0.02, 60_000: 0.002, 80_000: 0.0002}),
        ("schedules/coco_2x.gin", 180_000, {119_999: 0.02, 120_000: 0.002, 160_000: 0.0002}),
        ("schedules/panet_160k.gin", 160_000, {119_999: 0.02, 120_000: 0.002, 159_999: 0.002}),
        ("schedules/panet_80k.gin", 80_000, {59_999: 0.02, 60_000: 0.002}),
        ("papers/mask_rcnn/table7/fine.gin", 12_000, {8_999: 0.02, 9_000: 0.002}),  # stated for 8 images, 16 here
        ("papers/mask_rcnn/table7/fine_coco.gin", 2_000, {1_499: 0.02, 1_500: 0.002}),
        ("papers/panet/table8/panet_coco.gin", 2_000, {1_499: 0.02, 1_500: 0.002}),
        ("papers/panet/table9/panet.gin", 12_000, {8_999: 0.02, 9_000: 0.002}),
    ],
)
def test_schedules_of_the_papers(file, steps, rates):
    parse(file, "BATCH_SIZE = 16")
    optimizer = parameter("panet_tf.train.optimizer")()
    assert isinstance(optimizer, SGD) and optimizer.decay == 1e-4 and optimizer.momentum == 0.9
    assert parameter("panet_tf.train.steps") == steps
    for update, rate in rates.items():
        assert float(optimizer._learning_rate(update)) == pytest.approx(rate, rel=1e-3)


def test_schedules_follow_the_batch():
    parse("schedules/panet_160k.gin", "BATCH_SIZE = 2")
    assert parameter("panet_tf.train.steps") == 1_280_000
    assert float(parameter("panet_tf.train.optimizer")()._learning_rate(959_999)) == pytest.approx(0.02 / 8)


@pytest.mark.parametrize("file", [file for file in FILES if file.startswith("data/")])
def test_data_are_made(file, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    panoptic = "panoptic" in file or "PanopticSource" in (ROOT / "gin" / file).read_text()
    maps = ('DetectionData.semantic_context = "all"',) if panoptic else ()  # panoptic models ask for them
    parse(file, *tiny_paths(file, tmp_path), *maps)
    train, evaluation = macro("TRAIN_DATA"), macro("EVAL_DATA")
    assert train.training and not evaluation.training
    assert train.categories == evaluation.categories
    assert train.batch_size == macro("BATCH_SIZE")
    if panoptic:
        assert train.panoptic_categories == evaluation.panoptic_categories
        assert {"semantic", "panoptic"} < set(evaluation.dataset().element_spec)


def misspelt(*bindings, files=("quickstart.gin",)):
    with pytest.raises(ValueError) as error:
        parse_gin(list(files), list(bindings))
    return str(error.value)


@pytest.mark.parametrize(
    "wrong, right",
    [
        ("trian.steps = 3", "train"),
        ("train.stepz = 3", "steps"),
        ("train/DetectionData.batchsize = 3", "batch_size"),
        ("DetectionSelector.max_detection = 3", "max_detections"),
        ("panet.backbone = @mobilenetv2()", "mobilenet_v2"),
        ("train.model = %MODLE", "MODEL"),
        ("STEP = 3", "STEPS"),
        ("TRAINDATA = 3", "TRAIN_DATA"),
        ("panet.bottomup = True", "bottom_up"),
        ("panet.rpn_bta = 0.1", "rpn_beta"),  # would go through three functions' **kwargs
        ("ProposalSelector.nms_threshold = 0.5", "iou_threshold"),  # would go to keras.layers.Layer
        ("panet_tf.SGD.learningrate = 0.1", "learning_rate"),
        ("train.optimizer = @SDG", "panet_tf.SGD"),  # a name that Keras has too
        ("train.optimizer = @SGD", "panet_tf.SGD"),
        ("keras.optimizers.Adam.learningrate = 0.1", "learning_rate"),
    ],
)
def test_a_misspelt_name_is_answered_with_the_right_one(wrong, right):
    assert f'Did you mean "{right}"?' in misspelt(wrong)


@pytest.mark.parametrize(
    "wrong, right",
    [
        ("runs/trian.gin", "runs/train.gin"),
        ("panet_r50.gin", "models/panet_r50.gin"),
        ("quikstart.gin", "quickstart.gin"),
    ],
)
def test_a_missing_file_is_answered_with_the_right_one(wrong, right):
    message = misspelt(files=(wrong,))
    assert f'no gin file "{wrong}"' in message and f'Did you mean "{right}"?' in message


def test_bindings_that_nothing_reaches_are_warned_of(caplog):
    parse_gin(["quickstart.gin"], ["BoxHead.units = 512", "GroupNorm.groups = 16"])
    assert "BoxHead has bindings, but nothing refers to @BoxHead" in caplog.text and "@GroupNorm" in caplog.text
    caplog.clear()
    parse_gin(["quickstart.gin"], ["BoxHead.units = 512", "panet.box_head = @BoxHead"])
    assert not caplog.text


@pytest.mark.parametrize("file", [file for file in FILES if file.startswith(("models/", "papers/", "quick"))])
def test_shipped_files_bind_nothing_in_vain(file, caplog):
    parse(file)
    assert not caplog.text


NO_VGG = ("vgg.weights = None", "vgg_box_head.weights = None")
SMALL = (  # shrinks any of the files to seconds on a CPU; structure and names stay
    "resnet.weights = None",
    "resnet.depth = 18",
    "resnet.groups = 1",  # basic blocks have no others
    "resnet.width_per_group = 64",
    *NO_VGG,
    "vgg_box_head.units = 64",
    "AnchorSampler.count = 32",
    "ProposalSelector.pre_nms_top_k = 50",
    "ProposalSelector.post_nms_top_k = 20",
    "RoISampler.count = 16",
    "TRAIN_DATA = @tiny/DetectionData()",
    "tiny/DetectionData.source = @OccludedShapesSource()",
    "tiny/DetectionData.batch_size = 2",
    "tiny/DetectionData.training = True",
    "tiny/DetectionData.short_side = 64",
    "tiny/DetectionData.long_side = 64",
    "tiny/DetectionData.canvases = ((64, 64),)",
    "tiny/DetectionData.max_instances = 10",
    "OccludedShapesSource.image_size = (64, 64)",
    "train.eval_data = None",
    "train.steps = 1",
    "train.steps_per_epoch = 1",
)


@pytest.mark.slow
@pytest.mark.parametrize("file", [file for file in FILES if file.startswith(("models/", "papers/", "quick"))])
def test_a_step_of_each_is_trained(file, tmp_path):
    run = "runs/train_patches.gin" if re.search("(deep|sharp)_mask", file) else "runs/train.gin"
    others = (run, "schedules/cosine.gin") if file.startswith("models/") else ()
    (tmp_path / "p.json").write_text('[{"image_id": 0, "bbox": [4, 6, 30, 20], "score": 1}]')  # for Fast R-CNN
    parse_gin([*others, file], [*SMALL, f'tiny/DetectionData.proposals = "{tmp_path / "p.json"}"'])
    model = gin.get_configurable("panet_tf.train")(model_dir=tmp_path, verbose=False)
    assert int(model.optimizer.iterations) == 1
    assert all(np.isfinite(weight.numpy()).all() for weight in model.weights)


def test_what_is_missing_is_said():
    message = misspelt(files=("runs/train.gin", "data/nuclei_mini.gin", "schedules/cosine.gin"))
    assert message == "%MODEL is used but nothing defines it. Give a file of models/ or a binding MODEL = ..."


def test_a_broken_line_is_found_with_its_file(tmp_path):
    (tmp_path / "mine.gin").write_text("train.steps = = 3\n")
    with pytest.raises((SyntaxError, ValueError), match="mine.gin"):
        parse_gin([tmp_path / "mine.gin"])


def test_search_paths_and_includes_from_anywhere(tmp_path, monkeypatch):
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "mine.gin").write_text('include "quickstart.gin"\nSTEPS = 7\n')
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    parse_gin(["mine.gin"], search_paths=[tmp_path / "configs"])
    assert macro("STEPS") == 7
    parse_gin([str(tmp_path / "configs" / "mine.gin")], ["STEPS = 8"])  # again, and bindings win
    assert macro("STEPS") == 8


def test_a_folder_named_like_an_included_one_is_not_in_the_way(tmp_path, monkeypatch):
    """After a first run the working directory has a folder `runs`, which Python takes for a package of no file."""
    (tmp_path / "runs" / "quickstart").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    parse("papers/panet/table3/panet.gin")
    assert macro("MODEL") is not None


def test_kerass_own_names_are_there():
    rate = "keras.optimizers.AdamW.learning_rate = @keras.optimizers.schedules.CosineDecay()"
    parse_gin((), [rate, "CosineDecay.initial_learning_rate = 0.1", "CosineDecay.decay_steps = 10"])
    optimizer = gin.get_configurable("keras.optimizers.AdamW")()
    assert type(optimizer) is keras.optimizers.AdamW
    assert float(optimizer.learning_rate) == pytest.approx(0.1)


def test_both_ways_to_call_gin_setup():
    code = "import panet_tf; panet_tf.gin_setup; from panet_tf import gin_setup as a; import panet_tf.gin_setup"
    code += "; print(callable(panet_tf.gin_setup), callable(a), callable(panet_tf.gin_setup.parse_gin))"
    output = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert output.split() == ["True"] * 3


def test_packages_are_all_in_the_wheel():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    listed = set(config["options"]["packages"].split())
    there = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "panet_tf").rglob("__init__.py")}
    assert listed == there | {"panet_tf.gin_configs"}
    assert not list((ROOT / "gin").rglob("__init__.py"))  # it would shadow gin-config


def test_an_installed_wheel_finds_its_gin_files_in_another_folder(tmp_path):
    source = tmp_path / "source"
    for name in ("setup.cfg", "pyproject.toml", "MANIFEST.in", "LICENSE", "NOTICE"):
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_bytes((ROOT / name).read_bytes())
    for folder in ("gin", "panet_tf"):
        subprocess.run(["cp", "-r", str(ROOT / folder), str(source)], check=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", str(tmp_path / "site"), str(source)], check=True, capture_output=True)
    installed = tmp_path / "site" / "panet_tf"
    assert len(list((installed / "data" / "nuclei_mini").rglob("*.png"))) == 80
    assert (installed / "data" / "nuclei_mini" / "instances_val.json").is_file()
    assert (installed / "weights" / "data" / "mobilenet_v2_imagenet.npz").is_file()
    code = (
        "import panet_tf, gin; from panet_tf.gin_setup import parse_gin, gin_folder; parse_gin(['quickstart.gin']); "
        "print(panet_tf.__file__); print(gin_folder()); print(gin.query_parameter('train.steps_per_epoch'))"
    )
    (tmp_path / "elsewhere").mkdir()
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path / "elsewhere",
        env={"PYTHONPATH": str(tmp_path / "site"), "PATH": "", "HOME": str(tmp_path), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    file, folder, steps = run.stdout.split()
    assert file.startswith(str(tmp_path / "site")) and folder.startswith(str(tmp_path / "site"))
    assert int(steps) > 0


def test_gin_folder_of_a_checkout():
    assert gin_folder() == ROOT / "gin"
