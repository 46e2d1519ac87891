"""Corruptions of pictures by name and severity: 15 standard kinds, four by hand, and others to learn from.

Pictures are altered as in "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations" (Hendrycks
and Dietterich 2019, arXiv 1903.12261). Its data come in three sizes, and each has constants of its own, which are
pixels or were chosen by eye: ImageNet-C has pictures of 224 pixels, Tiny-ImageNet-C of 64, CIFAR-10-C of 32. What is
right for 224 leaves nothing of a picture of 32. So the shorter side decides: up to 48 pixels it is CIFAR-10-C's
constants, up to 128 Tiny-ImageNet-C's, beyond ImageNet-C's. Severities are comparable within a size.

What differs from these data: pictures are floats, and stay so, where the originals are rounded to 8 bits and saved as
JPEGs; frost is drawn; elastic transforms don't have the affine part. Each function says more.

A higher severity changes pictures more, in the mean square. The exceptions are the constants' own: glass blur (moves
pixels farther or more often, by turns), frost (keeps less of the picture, under more ice), snow of large pictures
(about as much at 3 as at 2, in larger flakes), motion blur of small ones (3 and 4 are the same but for a tail that has
no weight left), and pixelate of small ones (a box of one pixel and a bit moves edges, more or less as it falls).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.random import Generator

from onnx_ood._types import FloatArray
from onnx_ood.exceptions import UsageError
from onnx_ood.perturb.corruptions import blurs, digital, weather
from onnx_ood.perturb.corruptions import overlays as damage
from onnx_ood.perturb.corruptions import pixel_noise as grain
from onnx_ood.perturb.corruptions import pseudo_ood as pseudo_ood_augmentations
from onnx_ood.perturb.corruptions.pictures import Picture, each

# Shorter sides up to which CIFAR-10-C's and Tiny-ImageNet-C's constants are taken: about the geometric means of 32 and
# 64, and of 64 and 224.
_SMALL, _MIDDLE = 48, 128
# Below, glass blur, grids and patches have nothing left to move or to leave alone.
_LEAST_SIDE = 8

_Constants = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Kind:
    """A way to alter pictures.

    Attributes:
        alter: Takes a picture, a generator and the constants of a severity.
        small: Constants of each severity for pictures as small as CIFAR-10's.
        middle: Those for pictures like Tiny ImageNet's.
        large: Those for pictures like ImageNet's.
        needs_colour: Whether it takes pictures of three channels only.
        needs_another: Whether `alter` takes another picture too.
    """

    alter: Callable[..., FloatArray]
    small: _Constants
    middle: _Constants
    large: _Constants
    needs_colour: bool = False
    needs_another: bool = False

    @property
    def severities(self) -> range:
        """1 to 5, or 1 alone for what is all or nothing."""
        return range(1, len(self.large) + 1)

    def constants(self, side: int) -> _Constants:
        """Those of each severity for pictures whose shorter side has so many pixels."""
        return self.small if side <= _SMALL else self.middle if side <= _MIDDLE else self.large


def _one(*values: float) -> _Constants:
    """Constants of a kind that has one."""
    return tuple((value,) for value in values)


def _same(
    alter: Callable[..., FloatArray],
    constants: _Constants,
    needs_colour: bool = False,
    needs_another: bool = False,
) -> Kind:
    """A kind with the same constants for all sizes."""
    return Kind(alter, constants, constants, constants, needs_colour, needs_another)


# Constants of the standard kinds are from https://github.com/hendrycks/robustness (Apache-2.0), ImageNet-C/create_c:
# make_cifar_c.py, make_tinyimagenet_c.py and make_imagenet_c.py, in this order. Those of elastic_transform are for
# large pictures those of the library imagecorruptions (Apache-2.0), and for others such that pixels are displaced with
# standard deviations of 0.25 to 0.8 and 0.5 to 1.2 pixels: what CIFAR-10-C has at severity 5, 0.55, is in the middle.
_STANDARD = {
    "gaussian_noise": Kind(
        grain.gaussian_noise,
        _one(0.04, 0.06, 0.08, 0.09, 0.10),
        _one(0.04, 0.08, 0.12, 0.15, 0.18),
        _one(0.08, 0.12, 0.18, 0.26, 0.38),
    ),
    "shot_noise": Kind(
        grain.shot_noise,
        _one(500, 250, 100, 75, 50),
        _one(250, 100, 50, 30, 15),
        _one(60, 25, 12, 5, 3),
    ),
    "impulse_noise": Kind(
        grain.impulse_noise,
        _one(0.01, 0.02, 0.03, 0.05, 0.07),
        _one(0.01, 0.02, 0.05, 0.08, 0.14),
        _one(0.03, 0.06, 0.09, 0.17, 0.27),
    ),
    "defocus_blur": Kind(
        blurs.defocus_blur,
        ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
        ((0.5, 0.6), (1, 0.1), (1.5, 0.1), (2.5, 0.01), (3, 0.1)),
        ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
    ),
    "glass_blur": Kind(
        blurs.glass_blur,
        ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
        ((0.1, 1, 1), (0.5, 1, 1), (0.6, 1, 2), (0.7, 2, 1), (0.9, 2, 2)),
        ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
    ),
    "motion_blur": Kind(
        blurs.motion_blur,
        ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
        ((10, 1), (10, 1.5), (10, 2), (10, 2.5), (12, 3)),
        ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
    ),
    "zoom_blur": Kind(
        blurs.zoom_blur,
        ((0.01, 7), (0.01, 12), (0.01, 16), (0.01, 21), (0.01, 26)),
        ((0.01, 7), (0.01, 12), (0.01, 16), (0.01, 21), (0.01, 26)),
        ((0.01, 12), (0.01, 16), (0.02, 11), (0.02, 13), (0.03, 11)),
    ),
    "snow": Kind(
        weather.snow,
        (
            (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        ),
        (
            (0.1, 0.2, 1, 0.6, 8, 3, 0.8),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.8),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.7),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.65),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.6),
        ),
        (
            (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
            (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
            (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
            (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
            (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
        ),
    ),
    "frost": Kind(
        weather.frost,
        ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)),
        ((1, 0.3), (0.9, 0.4), (0.8, 0.45), (0.75, 0.5), (0.7, 0.55)),
        ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)),
    ),
    "fog": Kind(
        weather.fog,
        ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
        ((0.4, 3), (0.7, 3), (1, 2.5), (1.5, 2), (2, 1.75)),
        ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
    ),
    "brightness": Kind(
        digital.brightness,
        _one(0.05, 0.1, 0.15, 0.2, 0.3),
        _one(0.1, 0.2, 0.3, 0.4, 0.5),
        _one(0.1, 0.2, 0.3, 0.4, 0.5),
    ),
    "contrast": Kind(
        digital.contrast,
        _one(0.75, 0.5, 0.4, 0.3, 0.15),
        _one(0.4, 0.3, 0.2, 0.1, 0.05),
        _one(0.4, 0.3, 0.2, 0.1, 0.05),
    ),
    "elastic_transform": Kind(
        digital.elastic_transform,
        ((0.04, 0.06), (0.04, 0.09), (0.04, 0.12), (0.04, 0.15), (0.04, 0.2)),
        ((0.02, 0.0625), (0.02, 0.08125), (0.02, 0.10625), (0.02, 0.125), (0.02, 0.15)),
        ((0.01, 0.0625), (0.01, 0.08125), (0.01, 0.10625), (0.01, 0.125), (0.01, 0.15)),
    ),
    "pixelate": Kind(
        digital.pixelate,
        _one(0.95, 0.9, 0.85, 0.75, 0.65),
        _one(0.9, 0.8, 0.7, 0.6, 0.5),
        _one(0.6, 0.5, 0.4, 0.3, 0.25),
    ),
    "jpeg_compression": Kind(
        digital.jpeg_compression,
        _one(80, 65, 58, 50, 40),
        _one(65, 58, 50, 40, 25),
        _one(25, 18, 15, 10, 7),
    ),
}

_BY_HAND = {
    "scribble": _same(damage.scribble, _one(1, 2, 3, 5, 8)),
    "text": _same(damage.text, _one(1, 2, 3, 5, 8)),
    "occlusion": _same(damage.occlusion, _one(0.2, 0.3, 0.4, 0.5, 0.6)),
    "patch_shuffle": _same(damage.patch_shuffle, _one(4, 7, 10, 13, 16)),
}

_ALL_OR_NOTHING: _Constants = ((),)
_REHEARSALS = {
    "saturate": _same(pseudo_ood_augmentations.saturate, _one(1.5, 2, 3, 5, 10), needs_colour=True),
    "invert": _same(pseudo_ood_augmentations.invert, _ALL_OR_NOTHING),
    "posterize": _same(pseudo_ood_augmentations.posterize, _one(8, 6, 4, 3, 2)),
    "solarize": _same(pseudo_ood_augmentations.solarize, _one(0.9, 0.8, 0.7, 0.6, 0.45)),
    "channel_swap": _same(pseudo_ood_augmentations.channel_swap, _ALL_OR_NOTHING, needs_colour=True),
    "darker": _same(pseudo_ood_augmentations.darker, _one(0.7, 0.55, 0.4, 0.28, 0.18)),
    "speckle_noise": Kind(
        grain.speckle_noise,
        _one(0.06, 0.1, 0.12, 0.16, 0.2),
        _one(0.15, 0.2, 0.25, 0.3, 0.35),
        _one(0.15, 0.2, 0.35, 0.45, 0.6),
    ),
    "mosaic": _same(pseudo_ood_augmentations.mosaic, _ALL_OR_NOTHING),
    "blend": _same(pseudo_ood_augmentations.blend, _one(0.1, 0.2, 0.3, 0.4, 0.5), needs_another=True),
    "halves_swapped": _same(pseudo_ood_augmentations.halves_swapped, _ALL_OR_NOTHING),
    "upside_down": _same(pseudo_ood_augmentations.upside_down, _ALL_OR_NOTHING),
    "grid_lines": _same(pseudo_ood_augmentations.grid_lines, _one(2, 3, 4, 5, 7)),
}

STANDARD = tuple(_STANDARD)
"""The 15 kinds of ImageNet-C, in its order."""
OVERLAYS = tuple(_BY_HAND)
"""What people do to pictures."""
PSEUDO_OOD = tuple(_REHEARSALS)
"""Kinds from which a detector can learn what altered pictures look like; none of them is among the others."""
KINDS: Mapping[str, Kind] = MappingProxyType({**_STANDARD, **_BY_HAND, **_REHEARSALS})
"""All of them by name."""


def apply(name: str, severity: int, images: FloatArray, generator: Generator) -> Picture:
    """Alters pictures.

    Every picture is altered by draws of its own, one picture after the other. A blend takes its other picture from the
    same batch; where there is a single one, that is blended with itself, upside down.

    Args:
        name: One of `KINDS`.
        severity: One of the severities of that kind.
        images: Float `[N, H, W, C]` in [0, 1], sides of at least 8 pixels, C 1 or 3.
        generator: Source of all that is random; the same one in the same state gives the same bytes.

    Returns:
        float32 `[N, H, W, C]` in [0, 1], never memory of `images`.

    Raises:
        UsageError: If there is no such kind or severity, or it doesn't take pictures of this size or without colours.
        TypeError: If the pictures aren't floats.
        ValueError: If they aren't a batch, or have values outside [0, 1].
    """
    kind = KINDS.get(name)
    if kind is None:
        raise UsageError(f"no corruption is called {name!r}; there are {', '.join(KINDS)}")
    if severity not in kind.severities:
        most = kind.severities[-1]
        raise UsageError(
            f"{name} has no severity {severity}: say 1 to {most}"
            if most > 1
            else f"{name} is all or nothing and has no severity {severity}: say 1"
        )
    if images.ndim != 4:
        raise ValueError(f"Expected pictures [N, H, W, C], but got the shape {list(images.shape)}")
    height, width, channels = images.shape[1:]
    side = min(height, width)
    if side < _LEAST_SIDE:
        raise UsageError(
            f"corruptions take pictures of at least {_LEAST_SIDE} x {_LEAST_SIDE} pixels, not {height} x {width}; "
            "enlarge them"
        )
    if channels not in {1, 3}:
        raise UsageError(
            f"corruptions take pictures of 1 or 3 channels, not {channels}; leave the others out"
        )
    if kind.needs_colour and channels == 1:
        raise UsageError(f"{name} takes pictures of 3 channels, and these have 1; choose another corruption")
    if not ((images >= 0) & (images <= 1)).all():
        raise ValueError("Expected values in [0, 1], but some are outside, or not a number")
    constants = kind.constants(side)[severity - 1]
    if not kind.needs_another:
        return each(images, lambda picture: kind.alter(picture, generator, *constants))
    others = iter(_others(images, generator))
    return each(images, lambda picture: kind.alter(picture, generator, *constants, next(others)))


def _others(images: FloatArray, generator: Generator) -> list[Picture]:
    """For each picture another one of the batch, or its own upside down where there is no other."""
    pictures = np.asarray(images, np.float32)
    count = len(pictures)
    if count == 1:
        return [pictures[0, ::-1, ::-1]]
    # A step of 1 to N - 1 from each picture is any other one, each equally likely.
    return [pictures[(i + int(generator.integers(1, count))) % count] for i in range(count)]
