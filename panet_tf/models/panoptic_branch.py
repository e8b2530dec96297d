"""The part of `RCNN` that predicts panoptic outputs."""
