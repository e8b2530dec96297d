import numpy as np

from panet_tf.heads.boundary_refinement import BoundaryRefinement
from panet_tf.heads.refined_pooling import RefinedPooling
from panet_tf.layers.roi_pooling import FPNLevelPooling

RNG = np.random.default_rng(0)
LEVELS = {f"P{n}": RNG.standard_normal((1, 64 >> n, 64 >> n, 4)).astype("f") for n in (2, 3)}
ROIS = np.float32([[[0, 0, 30, 20], [5, 5, 60, 60]]])


def test_pooled_features_are_refined_and_the_config_makes_the_same_layer():
    layer = RefinedPooling(pooling=FPNLevelPooling(output_size=5), refinement=BoundaryRefinement())
    (found,) = layer(LEVELS, ROIS)
    (pooled,) = FPNLevelPooling(output_size=5)(LEVELS, ROIS)
    (expected,) = layer.refinement((pooled,))
    np.testing.assert_array_equal(found, expected)
    assert np.abs(found - pooled).max() > 0.1
    again = RefinedPooling.from_config(layer.get_config())
    again(LEVELS, ROIS)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(again(LEVELS, ROIS)[0], found)
