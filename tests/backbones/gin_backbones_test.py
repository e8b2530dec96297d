"""Gin files of backbones: what they make of a model that has a ResNet."""

import concurrent.futures
import pathlib
import re

import gin
import keras
import pytest

from panet_tf.gin_setup import gin_folder, parse_gin

FILES = sorted(path.stem for path in (pathlib.Path(gin_folder()) / "backbones").glob("*.gin"))
FAST = ("resnext50_32x4d", "deformable_last_three")


def layers_of(file):
    """Layers of the backbone by name, all shapes and no weights."""
    parse_gin(["models/mask_rcnn_r50_fpn.gin", f"backbones/{file}.gin"], ["resnet.weights = None", "freeze.stages = 2"])

    def build():
        keras.StatelessScope().__enter__()  # leaving it would make the weights; the thread ends inside it
        backbone = gin.query_parameter("mask_rcnn.backbone").scoped_configurable_fn()
        return {layer.name: layer for layer in backbone.layers}

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(build).result()


@pytest.mark.parametrize(
    "file", [file if file in FAST else pytest.param(file, marks=pytest.mark.slow) for file in FILES]
)
def test_backbones_are_what_their_files_say(file):
    layers = layers_of(file)
    blocks = {name.split("_")[1] for name in layers if name.startswith("layer3_")}
    depth = re.search(r"(?:resnet|resnext|senet)(\d+)", file)
    assert len(blocks) == {50: 6, 101: 23, 152: 36, 154: 36, 269: 48}[int(depth[1]) if depth else 50]
    middle = layers["layer2_0_conv2"]
    if "x" in file and "d" in file.rpartition("x")[2]:
        groups = int(file.split("_")[-1].split("x")[0])
        assert middle.groups == groups
    assert ("layer1_0_se_module" in layers) == file.startswith("se")
    assert ("layer3_5_non_local" in layers) == (file == "non_local")
    assert type(middle).__name__ == ("DeformConv" if "deformable_v" in file else type(middle).__name__)
    if file.startswith("deformable"):
        assert type(layers["layer4_0_conv2"]).__name__ == "DeformConv"
        assert layers["layer4_0_conv2"].modulated == (file == "deformable_v2")
    stem = layers.get("layer0_conv1") or layers["conv1"]
    assert not stem.trainable
