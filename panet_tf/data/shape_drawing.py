"""Drawing of shapes and textures with NumPy: the painter behind OccludedShapes.

A shape is a signed distance in its own frame: u to the right, v down, both in units of its radius, negative inside. One
function so gives the mask (distance <= 0), the smooth edge and the shaded rim.
"""

import math

import numpy as np

# In the order of habitual layers, from the ground up: large things lie low, small and thin ones on top. Radii are
# shares of the image's short side, tilts the largest in radians.
SHAPES = {
    "square": {"radius": (0.16, 0.32), "tilt": 0.5},
    "disc": {"radius": (0.12, 0.28), "tilt": 0.5},
    "triangle": {"radius": (0.11, 0.26), "tilt": 0.5},
    "cross": {"radius": (0.08, 0.2), "tilt": 0.4},
    "crescent": {"radius": (0.08, 0.18), "tilt": 0.5},
    "ring": {"radius": (0.06, 0.17), "tilt": 0.5},
    "star": {"radius": (0.045, 0.13), "tilt": 0.3},
    "bar": {"radius": (0.1, 0.26), "tilt": 1.2},
}
STUFF = ("stripes", "checks", "dots", "clouds")
KEYPOINTS = ("top", "right", "bottom", "left")

# Where each shape's keypoints lie in its frame, (v, u), a little inside its outline.
KEYPOINT_PLACES = {
    "square": ((-0.75, 0), (0, 0.75), (0.75, 0), (0, -0.75)),
    "disc": ((-0.93, 0), (0, 0.93), (0.93, 0), (0, -0.93)),
    "triangle": ((-0.85, 0), (0.55, 0.72), (0.6, 0), (0.55, -0.72)),
    "cross": ((-0.92, 0), (0, 0.92), (0.92, 0), (0, -0.92)),
    "crescent": ((-0.9, -0.1), (0, -0.34), (0.9, -0.1), (0, -0.93)),
    "ring": ((-0.78, 0), (0, 0.78), (0.78, 0), (0, -0.78)),
    "star": ((-0.85, 0), (-0.25, 0.75), (0.3, 0), (-0.25, -0.75)),
    "bar": ((-0.06, 0), (0, 0.93), (0.06, 0), (0, -0.93)),
}


def distance(shape, v, u):
    """Signed distance (about: exact at the outline's straight parts) of points to a shape's outline, in its radius."""
    if shape == "square":
        return np.maximum(abs(u), abs(v)) - 0.8
    if shape == "disc":
        return np.hypot(u, v) - 1.0
    if shape == "triangle":
        return np.maximum(v - 0.7, 0.878 * abs(u) - 0.479 * (v + 1.0))
    if shape == "cross":
        a, b = abs(u), abs(v)
        return np.minimum(np.maximum(a - 0.3, b - 1.0), np.maximum(a - 1.0, b - 0.3))
    if shape == "crescent":
        return np.maximum(np.hypot(u, v) - 1.0, 0.78 - np.hypot(u - 0.5, v))
    if shape == "ring":
        return abs(np.hypot(u, v) - 0.78) - 0.2
    if shape == "star":
        # All ten half edges folded onto one: from the tip (angle 0, radius 1) to the inner corner (36 degrees, 0.42).
        angle = abs((np.arctan2(u, -v) + np.pi / 5) % (2 * np.pi / 5) - np.pi / 5)
        radius = np.hypot(u, v)
        x, y = radius * np.cos(angle), radius * np.sin(angle)
        inner_x, inner_y = 0.42 * math.cos(math.pi / 5), 0.42 * math.sin(math.pi / 5)
        length = math.hypot(inner_y, 1.0 - inner_x)
        return ((x - 1.0) * inner_y + y * (1.0 - inner_x)) / length
    return np.maximum(abs(u) - 1.0, abs(v) - 0.11)  # bar


def color(rng, saturation=(0.5, 0.95), value=(0.55, 1.0)):
    """Random RGB of a hue, float32 (3,) in 0..255."""
    hue, s, v = rng.uniform(0, 6), rng.uniform(*saturation), rng.uniform(*value)
    ramp = np.clip(abs((hue + np.array([0.0, 4.0, 2.0])) % 6 - 3) - 1, 0, 1)
    return (255 * v * (1 - s + s * ramp)).astype(np.float32)


def texture(rng, name, y, x, low, high):
    """A pattern between two colours.

    Args:
        rng: `np.random.Generator`.
        name: one of `STUFF` or `"plain"`.
        y: float (h, w), coordinates in which a pattern repeats about every unit.
        x: float (h, w).
        low: float (3,), a colour.
        high: float (3,), another.

    Returns:
        float32 (h, w, 3).
    """
    turn = rng.uniform(0, np.pi)
    phase = rng.uniform(0, 2 * np.pi, 4)
    # Python's numbers, unlike NumPy's, leave float32 arrays float32: twice as fast.
    cos, sin = math.cos(turn), math.sin(turn)
    phase = phase.tolist()
    a = cos * x + sin * y
    b = cos * y - sin * x
    if name == "stripes":
        mix = np.clip(0.5 + 2 * np.sin(2 * np.pi * a + phase[0]), 0, 1)
    elif name == "checks":
        mix = np.clip(0.5 + 4 * np.sin(np.pi * a + phase[0]) * np.sin(np.pi * b + phase[1]), 0, 1)
    elif name == "dots":
        mix = np.clip(4 * (np.sin(2 * np.pi * a + phase[0]) + np.sin(2 * np.pi * b + phase[1]) - 0.8), 0, 1)
    elif name == "clouds":
        mix = 0.5 + 0.2 * (np.sin(a + phase[0] + 2 * np.sin(0.7 * b + phase[1])) + np.sin(2.3 * b + phase[2]))
        mix = mix + 0.1 * np.sin(3.7 * a + phase[3])
    else:
        mix = 0.5 + 0.15 * np.clip(a, -1, 1)
    mix = mix.astype(np.float32)[..., None]
    return low + mix * (high - low)


def draw_background(rng, height, width, regions):
    """Paints stuff regions whose borders wave.

    Args:
        rng: `np.random.Generator`.
        height: int, pixels.
        width: int, pixels.
        regions: int, at most this many regions, each of another texture.

    Returns:
        Pair of the image, float32 (height, width, 3), and the regions' textures, uint8 (height, width), 1-based in
        `STUFF`.
    """
    side = min(height, width)
    y = ((np.arange(height, dtype=np.float32) + 0.5) / side)[:, None]
    x = ((np.arange(width, dtype=np.float32) + 0.5) / side)[None]
    turn, phase = rng.uniform(0, 2 * np.pi), rng.uniform(0, 2 * np.pi, 2)
    phase = phase.tolist()
    slope = math.cos(turn) * (x - 0.5 * width / side) + math.sin(turn) * (y - 0.5 * height / side)
    slope = slope + 0.08 * np.sin(5 * y + phase[0]) + 0.08 * np.sin(5 * x + phase[1])
    borders = np.sort(rng.uniform(-0.4, 0.4, regions - 1))
    region = np.searchsorted(borders, slope)
    names = rng.permutation(len(STUFF))[:regions]
    image = np.zeros((height, width, 3), np.float32)
    stuff = np.zeros((height, width), np.uint8)
    for number, name in enumerate(names):
        low = color(rng, saturation=(0.05, 0.35), value=(0.25, 0.75))
        high = np.clip(low * rng.uniform(0.7, 1.35), 0, 255)
        inside = region == number
        frequency = rng.uniform(9, 16)
        painted = texture(rng, STUFF[name], y * frequency, x * frequency, low, high)
        np.copyto(image, painted, where=inside[..., None])
        stuff[inside] = name + 1
    return image, stuff


def draw_shape(rng, image, shape, centre, radius, tilt):
    """Paints a shape onto an image, in place: textured, lit from above, with a darker rim.

    Args:
        rng: `np.random.Generator`.
        image: float32 (h, w, 3) in 0..255.
        shape: str, a key of `SHAPES`.
        centre: two floats, y and x in pixels.
        radius: float, pixels.
        tilt: float, radians, clockwise.

    Returns:
        bool (h, w): the pixels whose centres lie inside the shape, whatever is painted over it later.
    """
    height, width = image.shape[:2]
    top, left = (max(0, int(np.floor(c - 1.2 * radius - 1))) for c in centre)
    bottom = min(height, int(np.ceil(centre[0] + 1.2 * radius + 1)))
    right = min(width, int(np.ceil(centre[1] + 1.2 * radius + 1)))
    y = (np.arange(top, bottom, dtype=np.float32) + 0.5 - centre[0])[:, None] / radius
    x = (np.arange(left, right, dtype=np.float32) + 0.5 - centre[1])[None] / radius
    cos, sin = math.cos(tilt), math.sin(tilt)
    v, u = cos * y - sin * x, sin * y + cos * x
    inside = distance(shape, v, u).astype(np.float32)
    mask = np.zeros((height, width), bool)
    mask[top:bottom, left:right] = inside <= 0

    low = color(rng)
    high = np.clip(low * rng.uniform(0.55, 0.85) + rng.uniform(0, 60), 0, 255)
    name = ("plain", *STUFF)[rng.integers(1 + len(STUFF))]
    frequency = rng.uniform(1.5, 3.5)
    paint = texture(rng, name, v * frequency, u * frequency, low, high)
    light = 1.0 - 0.15 * v
    rim = np.clip(1.0 + inside * radius / max(1.5, 0.06 * radius), 0, 1)
    paint = paint * (light * (1.0 - 0.55 * rim))[..., None]
    cover = np.clip(0.5 - inside * radius, 0, 1)[..., None]
    area = image[top:bottom, left:right]
    area += cover * (paint - area)
    return mask


def keypoints_of(shape, centre, radius, tilt):
    """Where a shape's keypoints lie, float32 (4, 2), y and x in pixels."""
    v, u = np.array(KEYPOINT_PLACES[shape]).T
    y, x = np.cos(tilt) * v + np.sin(tilt) * u, np.cos(tilt) * u - np.sin(tilt) * v
    return (np.stack([y, x], -1) * radius + centre).astype(np.float32)
