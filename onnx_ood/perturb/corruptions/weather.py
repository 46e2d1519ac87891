"""Corruptions by weather. Formulas are those of Hendrycks and Dietterich (2019); frost is drawn, not photographed."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw

from onnx_ood._types import Float, FloatArray
from onnx_ood.perturb.corruptions.filters import gaussian, motion_blurred, zoomed
from onnx_ood.perturb.corruptions.pictures import Picture, luminance
from onnx_ood.perturb.corruptions.registry import BySize, register_corruption
from onnx_ood.perturb.corruptions.synthetic_ood import pink_noise

_ICE = (0.88, 0.95, 1.0)
# Frost is drawn this much larger than it is needed, which smooths its lines.
_FINER = 2
_CRYSTALS = 20
_TWIG = np.pi / 3


@register_corruption(
    families={"standard"},
    severities=BySize(
        small=(
            (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        ),
        middle=(
            (0.1, 0.2, 1, 0.6, 8, 3, 0.8),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.8),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.7),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.65),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.6),
        ),
        large=(
            (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
            (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
            (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
            (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
            (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
        ),
    ),
)
def snow(
    picture: Picture,
    generator: Generator,
    mean: float,
    spread: float,
    zoom: float,
    threshold: float,
    radius: int,
    sigma: float,
    keep: float,
) -> FloatArray:
    """Whitens the picture and adds streaks of snow.

    Flakes are noise `N(mean, spread)`, enlarged, of which what is below the threshold goes, and smeared in a direction
    between 45° and 135° upwards; the same flakes are added a second time, turned by a half. What lies under them is
    `k x + (1 - k) max(x, 1.5 y + 0.5)` with y the luminance of x.

    Args:
        picture: float32 `[H, W, C]` in [0, 1], C 1 or 3.
        generator: Source of flakes and direction.
        mean: Of the noise.
        spread: Standard deviation of the noise.
        zoom: How much the noise is enlarged.
        threshold: What becomes a flake.
        radius: Half the length of a streak in pixels.
        sigma: σ in pixels of how a streak falls off.
        keep: k.

    Returns:
        float64 `[H, W, C]`, not yet cut off at 1.
    """
    height, width = picture.shape[:2]
    noise = zoomed(generator.normal(mean, spread, (height, width, 1)), zoom)
    flakes = np.clip(np.where(noise < threshold, 0, noise), 0, 1)
    streaks = motion_blurred(flakes, radius, sigma, generator.uniform(-135, -45))
    whitened = keep * picture + (1 - keep) * np.maximum(picture, 1.5 * luminance(picture) + 0.5)
    snowy: FloatArray = whitened + streaks + streaks[::-1, ::-1]
    return snowy


@register_corruption(
    families={"standard"},
    severities=BySize(
        small=((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)),
        middle=((1, 0.3), (0.9, 0.4), (0.8, 0.45), (0.75, 0.5), (0.7, 0.55)),
        large=((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)),
    ),
)
def frost(picture: Picture, generator: Generator, keep: float, add: float) -> FloatArray:
    """Lays ice over the picture: `k x + a f`.

    Hendrycks and Dietterich take f from six photographs, whose origin and licence are unknown; here, it is drawn:
    branched crystals on clouds of 1/f noise, pale blue, with about the brightness of those photographs (between 0.3 and
    0.8, 0.6 on average).

    Args:
        picture: float32 `[H, W, C]` in [0, 1], C 1 or 3.
        generator: Source of the ice.
        keep: k.
        add: a.

    Returns:
        float64 `[H, W, C]`, not yet cut off at 1.
    """
    height, width, channels = picture.shape
    ice = _ice(height, width, generator) * np.array(_ICE)
    iced: FloatArray = keep * picture + add * (luminance(ice) if channels == 1 else ice)
    return iced


@register_corruption(
    families={"standard"},
    severities=BySize(
        small=((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
        middle=((0.4, 3), (0.7, 3), (1, 2.5), (1.5, 2), (2, 1.75)),
        large=((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
    ),
)
def fog(picture: Picture, generator: Generator, strength: float, decay: float) -> FloatArray:
    """Add fog, then darken to keep the maximum about constant: `(x + s f) m / (m + s)`.

    f is a height map in [0, 1], m the largest value of x.

    Args:
        picture: float32 `[H, W, C]` in [0, 1].
        generator: Source of the fog.
        strength: s.
        decay: How fine the fog is: the larger, the smoother.

    Returns:
        float64 `[H, W, C]`.
    """
    height, width = picture.shape[:2]
    heights = _height_map(1 << (max(height, width) - 1).bit_length(), decay, generator)
    brightest = float(picture.max())
    foggy: FloatArray = picture + strength * heights[:height, :width, np.newaxis]
    return foggy * (brightest / (brightest + strength))


def _height_map(size: int, decay: float, generator: Generator) -> Float:
    """Fractal heights in [0, 1], `[size, size]`, by diamonds and squares (Fournier, Fussell and Carpenter, 1982).

    The map closes upon itself at its edges; `size` is a power of two. A point in the middle of a square is the mean of
    its corners, one in the middle of an edge that of the four around it, each with noise that is `decay²` times
    smaller whenever the squares are halved.
    """
    heights = np.zeros((size, size))
    amplitude, step = 1.0, size
    while step >= 2:
        half = step // 2

        def rough(mean: Float, most: float = amplitude) -> Float:
            return mean + generator.uniform(-most, most, mean.shape)

        corners = heights[::step, ::step]
        edge = corners + np.roll(corners, -1, axis=0)
        middle = rough((edge + np.roll(edge, -1, axis=1)) / 4)
        heights[half::step, half::step] = middle
        for axis, places in ((0, np.s_[::step, half::step]), (1, np.s_[half::step, ::step])):
            # The corners at both ends of an edge, and the middles of the squares at both its sides.
            ends = corners + np.roll(corners, -1, axis=1 - axis)
            heights[places] = rough((ends + middle + np.roll(middle, 1, axis=axis)) / 4)
        amplitude, step = amplitude / decay**2, half
    heights -= heights.min()
    stretched: Float = heights / heights.max()
    return stretched


def _ice(height: int, width: int, generator: Generator) -> Float:
    """Ice crystals on clouds, `[H, W, 1]` in [0, 1]."""
    canvas = Image.new("L", (_FINER * width, _FINER * height))
    draw = ImageDraw.Draw(canvas)
    side = _FINER * min(height, width)
    thickness = max(1, round(side / 130))
    size = np.array([canvas.width, canvas.height])

    def line(start: Float, angle: float, length: float, light: float) -> Float:
        end = start + length * np.array([np.cos(angle), np.sin(angle)])
        draw.line([*start.tolist(), *end.tolist()], fill=round(255 * light), width=thickness)
        return end

    for _ in range(_CRYSTALS):
        start = generator.uniform(0, 1, 2) * size
        angle, length, light = generator.uniform((0, 0.2, 0.5), (2 * np.pi, 0.6, 1))
        stem = line(start, angle, length * side, light) - start
        for share in np.arange(0.1, 1, 0.09).tolist():
            # Twigs as in a fern: shorter towards the tip, on both sides.
            for turn in (-_TWIG, _TWIG):
                twig = generator.uniform(0.15, 0.45) * (1 - share) * length * side
                line(start + share * stem, angle + turn, twig, light * generator.uniform(0.5, 1))
    drawn = np.asarray(canvas, np.float64).reshape(height, _FINER, width, _FINER).mean(axis=(1, 3))
    needles = gaussian(drawn[..., np.newaxis] / 255, max(min(height, width) / 250, 0.3), "edge")
    clouds = pink_noise((height, width, 1), generator)
    return np.clip(0.28 + 0.5 * clouds + 0.9 * needles, 0, 1)
