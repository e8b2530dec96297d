"""Finds instances in images: COCO JSON and pictures out.

Examples:
  python scripts/predict.py --model runs/nuclei --output predictions cells.png more_cells/
  python scripts/predict.py --model runs/nuclei/model.keras --output predictions --annotations instances_val.json val/
  python scripts/predict.py --model coco.keras --output predictions --nooverlays photos/ \\
    --gin_bindings 'Preprocessing.short_side = 640' --gin_bindings 'Preprocessing.canvases = ((640, 640),)' \\
    --gin_bindings 'Predictor.preprocessing = @Preprocessing()'
  python scripts/predict.py --model runs/fast_rcnn --output predictions --annotations instances_val.json \\
    --proposals proposals_val.json val/

Into the output folder go predictions.json (a COCO data set, with scores), results.json (COCO results) and overlays/;
of panoptic models also panoptic/ and panoptic.json, COCO's submission format.
"""

import os
import pathlib

import gin
from absl import app, flags
from tqdm import tqdm

from panet_tf.gin_setup import parse_gin
from panet_tf.inference.find_images import find_images
from panet_tf.inference.load_model import load_model
from panet_tf.inference.prediction_folder import PredictionFolder

flags.DEFINE_string("model", None, "A .keras file, or the model_dir of a run that has ended.", required=True)
flags.DEFINE_string("output", None, "Folder of what is written.", required=True)
flags.DEFINE_string("annotations", None, "COCO JSON of the images: its ids are used, its masks drawn beside the found.")
flags.DEFINE_string("proposals", None, "COCO results with the regions that Fast R-CNN takes; needs --annotations.")
flags.DEFINE_float("score_threshold", 0.5, "Lower scores are not drawn; the JSON files hold all.")
flags.DEFINE_integer("batch_size", 1, "Images that go through the network together.", lower_bound=1)
flags.DEFINE_boolean("overlays", True, "Whether pictures are drawn.")
flags.DEFINE_multi_string("gin_file", [], "Gin files, as for training; may be given several times.")
flags.DEFINE_multi_string("gin_bindings", [], "Single bindings on top; may be given several times.")


def main(arguments):
    f, output = flags.FLAGS, pathlib.Path(flags.FLAGS.output)
    parse_gin(f.gin_file, f.gin_bindings)
    files = find_images(arguments[1:])
    root = os.path.commonpath([file.absolute().parent for file in files])
    predictor = gin.get_configurable("Predictor")(load_model(f.model), batch_size=f.batch_size, masks="rle")
    settings = {"annotations": f.annotations, "score_threshold": f.score_threshold, "overlays": f.overlays}
    folder = PredictionFolder(output, predictor, root=root, **settings)
    files = folder.listed(files)
    regions = None if f.proposals is None else folder.proposals(f.proposals, files)
    try:
        for result in tqdm(predictor.stream(files, regions, folder.sizes(files)), total=len(files), unit="image"):
            folder.add(result)
    finally:  # what is found so far is of use, whatever has happened
        folder.write()
    print(f"{len(folder.coco.results())} instances in {len(files) - len(predictor.skipped)} images -> {output}")
    for name, reason in predictor.skipped:
        print(f"skipped {name}: {reason}")


if __name__ == "__main__":
    app.run(main)
