"""Feature pyramids: a dict of levels in, a dict of levels out.

All of them, as `keras.saving.load_model` may meet any of them in a file.
"""

from panet_tf.necks.bottom_up import BottomUp
from panet_tf.necks.fpn import FPN
from panet_tf.necks.pafpn import PAFPN
from panet_tf.necks.sa_fpn import SAFPN
from panet_tf.necks.single_level import SingleLevel

__all__ = ["FPN", "PAFPN", "SAFPN", "BottomUp", "SingleLevel"]
