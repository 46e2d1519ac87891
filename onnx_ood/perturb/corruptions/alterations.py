"""The alterations of the demo, each at one strength: from grain to another arrangement of the same pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from numpy.random import Generator

from onnx_ood._types import FloatArray
from onnx_ood.perturb.corruptions.blurs import gaussian_blur
from onnx_ood.perturb.corruptions.digital import contrast
from onnx_ood.perturb.corruptions.overlays import patch_shuffle, scribble
from onnx_ood.perturb.corruptions.pictures import Picture, each
from onnx_ood.perturb.corruptions.pixel_noise import gaussian_noise

Alteration = Callable[[FloatArray, Generator], Picture]


def _at(alter: Callable[..., FloatArray], *strength: float) -> Alteration:
    def alteration(images: FloatArray, generator: Generator) -> Picture:
        return each(images, lambda picture: alter(picture, generator, *strength))

    return alteration


ALTERATIONS: Mapping[str, Alteration] = MappingProxyType(
    {
        "gaussian_noise": _at(gaussian_noise, 0.1),
        "gaussian_blur": _at(gaussian_blur, 0.0375),
        "low_contrast": _at(contrast, 0.3, True),
        "scribble": _at(scribble, 3),
        "shuffle_patches": _at(patch_shuffle, 16),
    }
)
"""By name: what takes float `[H, W, C]` or `[N, H, W, C]` in [0, 1] and a generator, and returns the altered pictures,
float32 of the same shape in [0, 1]. Strokes are those of `scribble` at severity 3, patches those of `patch_shuffle`
at 5. Noise and contrast aren't those of a severity, and contrast has one mean for all channels."""
