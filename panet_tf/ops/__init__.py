"""Pure functions on tensors: boxes, anchors, matching, sampling, suppression, RoIAlign, masks."""
