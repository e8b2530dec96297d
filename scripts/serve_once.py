"""Serves one image from an exported SavedModel, in a process that imports tensorflow and nothing of panet_tf.

It shows what TF Serving answers to a client that sends the bytes of an image: saves the detections, and the image with
the pasted masks laid over it.

Examples:
  python scripts/serve_once.py --saved_model runs/quickstart/saved_model --image photo.jpg --output served
"""

import argparse
import json
import pathlib
import time

import tensorflow as tf


def newest_version(path):
    """The numbered version folder that TF Serving would pick, or the path itself when it is one."""
    versions = [child for child in pathlib.Path(path).iterdir() if child.name.isdigit()]
    return max(versions, key=lambda child: int(child.name), default=pathlib.Path(path))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--saved_model", required=True, help="folder that holds numbered versions, or one version")
    parser.add_argument("--image", required=True, help="JPEG, PNG, GIF or BMP file of any size")
    parser.add_argument("--output", required=True, help="folder for prediction.json and prediction.png")
    parser.add_argument("--threshold", type=float, default=0.5, help="least score that is shown (default: 0.5)")
    flags = parser.parse_args()

    folder = newest_version(flags.saved_model)
    model = tf.saved_model.load(str(folder))
    contents = tf.io.read_file(flags.image)
    start = time.perf_counter()
    served = model.signatures["serving_default"](image_bytes=contents[None])
    seconds = time.perf_counter() - start
    pasted = model.signatures["full_masks"](image_bytes=contents[None])

    names = {item["id"]: item["name"] for item in json.loads((folder / "assets.extra" / "categories.json").read_text())}
    ids, scores, boxes = (served[f"detection_{key}"][0].numpy().tolist() for key in ("classes", "scores", "boxes"))
    shown = range(sum(score >= flags.threshold for score in scores[: int(served["num_detections"][0])]))  # best first
    detections = [{"category": names[ids[i]], "score": scores[i], "box_yxyx": boxes[i]} for i in shown]
    output = pathlib.Path(flags.output)
    output.mkdir(parents=True, exist_ok=True)
    (output / "prediction.json").write_text(json.dumps({"image": flags.image, "detections": detections}, indent=1))

    image = tf.cast(tf.io.decode_image(contents, channels=3, expand_animations=False), tf.float32)
    masks = tf.cast(pasted["detection_masks"][0][: len(detections)], tf.float32)[..., None]
    colors = tf.random.stateless_uniform((len(detections), 1, 1, 3), seed=(0, 1), minval=60.0, maxval=255.0)
    cover = tf.reduce_sum(masks, axis=0)  # how many masks lie on a pixel
    paint = tf.reduce_sum(masks * colors, axis=0) / tf.maximum(cover, 1.0)
    overlay = tf.where(cover > 0, 0.5 * image + 0.5 * paint, image)
    tf.io.write_file(str(output / "prediction.png"), tf.io.encode_png(tf.cast(overlay, tf.uint8)))
    print(f"{flags.image}: {len(detections)} detections of score {flags.threshold} or more, first call {seconds:.1f} s")
    print(f"Saved {output / 'prediction.json'} and {output / 'prediction.png'}")


if __name__ == "__main__":
    main()
