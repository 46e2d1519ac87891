"""Registry of corruptions: every alteration of pictures, by name, with families, severities and their constants.

A corruption is a function of a picture, a generator and constants, registered by `register_corruption` where it is
defined. Severities follow "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations" (Hendrycks
and Dietterich 2019, arXiv 1903.12261). Its data come in three sizes with constants of their own, in pixels or chosen by
eye: ImageNet-C has pictures of 224 pixels, Tiny-ImageNet-C of 64, CIFAR-10-C of 32. The shorter side of a picture
selects the constants: up to 48 pixels those of CIFAR-10-C, up to 128 those of Tiny-ImageNet-C, above those of
ImageNet-C. Severities are comparable within a size.

Differences from these data: pictures are floats throughout, the originals are rounded to 8 bits and saved as JPEGs;
frost is drawn; elastic transforms lack the affine part. See each function.

A higher severity changes pictures more, in mean square. Exceptions follow from the constants: glass blur (moves pixels
farther or more often, by turns), frost (keeps less of the picture, under more ice), snow of large pictures (about equal
at 2 and 3, in larger flakes at 3), motion blur of small ones (3 and 4 differ in a tail without weight), and pixelate of
small ones (a box of slightly more than a pixel moves edges by an amount that depends on where it falls).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np
from numpy.random import Generator

from onnx_ood._spelling import did_you_mean
from onnx_ood._types import FloatArray
from onnx_ood.exceptions import UsageError
from onnx_ood.perturb.corruptions.pictures import Picture, each

Family = Literal["standard", "overlay", "pseudo_ood", "demo", "mild"]
"""Families of corruptions.

standard: the 15 of ImageNet-C. overlay: strokes, words, occlusions, patches in another order. pseudo_ood: augmentations
that detectors learn from; none of them is standard or an overlay. demo: the alterations of `demo` and of synthetic
sets, at one strength each. mild: changes as small as taking a picture again.
"""

Constants: TypeAlias = tuple[tuple[Any, ...], ...]
Alteration: TypeAlias = Callable[[FloatArray, Generator], Picture]
SyntheticOod: TypeAlias = Callable[[Sequence[int], Generator], Picture]

F = TypeVar("F", bound=Callable[..., FloatArray])
S = TypeVar("S", bound=SyntheticOod)

ALL_OR_NOTHING = ((),)
"""Severities of a corruption without constants."""

# Shorter sides up to which constants of CIFAR-10-C and Tiny-ImageNet-C are used: about the geometric means of 32 and
# 64, and of 64 and 224.
_MAX_SMALL_SIDE, _MAX_MIDDLE_SIDE = 48, 128
# Below, glass blur, grids and patches have nothing left to move or to leave alone.
_MIN_SIDE = 8


@dataclass(frozen=True)
class BySize:
    """Constants of each severity, by the size of pictures. A constant alone may be given without a tuple.

    Attributes:
        small: For pictures as small as CIFAR-10's.
        middle: For pictures like Tiny ImageNet's.
        large: For pictures like ImageNet's.
    """

    small: Sequence[Any]
    middle: Sequence[Any]
    large: Sequence[Any]


@dataclass(frozen=True)
class Corruption:
    """A registered corruption.

    Attributes:
        name: Name in settings and results.
        alter: Function of a picture, a generator and constants.
        families: Families it belongs to.
        small: Constants of each severity for pictures as small as CIFAR-10's.
        middle: Those for pictures like Tiny ImageNet's.
        large: Those for pictures like ImageNet's.
        strengths: Constants by family, for families of one strength.
        needs_colour: Whether pictures must have three channels.
        needs_another: Whether `alter` takes another picture as its last argument.
    """

    name: str
    alter: Callable[..., FloatArray]
    families: frozenset[Family]
    small: Constants = ()
    middle: Constants = ()
    large: Constants = ()
    strengths: Mapping[Family, tuple[Any, ...]] = field(default_factory=dict)
    needs_colour: bool = False
    needs_another: bool = False

    @property
    def severities(self) -> range:
        """1 to 5; 1 alone without constants; none for corruptions of one strength."""
        return range(1, len(self.large) + 1)

    def constants(self, side: int) -> Constants:
        """Constants of each severity for pictures with a shorter side of `side` pixels."""
        return (
            self.small if side <= _MAX_SMALL_SIDE else self.middle if side <= _MAX_MIDDLE_SIDE else self.large
        )

    def at(self, family: Family) -> Alteration:
        """Make an alteration: the corruption at the one strength of a family, demo or mild.

        Returns:
            A function of float `[H, W, C]` or `[N, H, W, C]` in [0, 1] and a generator that returns the altered
            pictures, float32 of the same shape in [0, 1].
        """
        strength = self.strengths[family]
        return lambda images, generator: each(
            images, lambda picture: self.alter(picture, generator, *strength)
        )


_corruptions: dict[str, Corruption] = {}
_synthetic_ood: dict[str, SyntheticOod] = {}


def register_corruption(
    *,
    name: str = "",
    families: Collection[Family] = (),
    severities: Sequence[Any] | BySize = (),
    strengths: Mapping[Family, tuple[Any, ...]] | None = None,
    needs_colour: bool = False,
    needs_another: bool = False,
) -> Callable[[F], F]:
    """Register a corruption.

    Random draws of an audit depend on a corruption's place in its family: define new ones last.

    Args:
        name: Name in settings and results; by default that of the function.
        families: Families with severities that it belongs to.
        severities: Constants of each severity, the same for all sizes of pictures or by size.
        strengths: Constants by family, for families of one strength (demo, mild).
        needs_colour: Whether pictures must have three channels.
        needs_another: Whether the function takes another picture as its last argument.

    Returns:
        A decorator for a function of a picture (float32 `[H, W, C]` in [0, 1], not to be changed), a generator, and
        constants, that returns floats of the same shape. They are clipped to [0, 1] afterwards.

    Raises:
        ValueError: If the name is taken.
    """
    by_size = severities if isinstance(severities, BySize) else BySize(severities, severities, severities)
    small, middle, large = (
        tuple(one if isinstance(one, tuple) else (one,) for one in size)
        for size in (by_size.small, by_size.middle, by_size.large)
    )

    def register(alter: F) -> F:
        one = Corruption(
            name or alter.__name__,
            alter,
            frozenset((*families, *(strengths or {}))),
            small,
            middle,
            large,
            MappingProxyType(dict(strengths or {})),
            needs_colour,
            needs_another,
        )
        _add(_corruptions, one.name, one)
        return alter

    return register


def register_synthetic_ood(make: S) -> S:
    """Register a maker of synthetic out-of-distribution pictures, made from a shape alone.

    Args:
        make: Function of a shape `[N, H, W, C]` and a generator.

    Raises:
        ValueError: If the name is taken.
    """
    _add(_synthetic_ood, make.__name__, make)
    return make


def list_corruptions(family: Family | None = None) -> tuple[str, ...]:
    """Names of the corruptions of a family, or of all, in order of registration."""
    return tuple(name for name, one in _corruptions.items() if family is None or family in one.families)


def find_corruption(name: str) -> Corruption:
    """Find a corruption by name.

    Raises:
        UsageError: If there is none.

    >>> find_corruption("fog").severities
    range(1, 6)
    """
    if name not in _corruptions:
        raise UsageError(f"unknown corruption {name!r}; {did_you_mean(name, _corruptions)}")
    return _corruptions[name]


def synthetic_ood() -> Mapping[str, SyntheticOod]:
    """Makers of synthetic out-of-distribution pictures by name, in order of registration."""
    return MappingProxyType(_synthetic_ood)


def apply(name: str, severity: int, images: FloatArray, generator: Generator) -> Picture:
    """Corrupt pictures.

    Each picture has draws of its own, one picture after the other. A blend takes its other picture from the same batch;
    a single picture is blended with itself, upside down.

    Args:
        name: A corruption with severities.
        severity: One of its severities.
        images: Float `[N, H, W, C]` in [0, 1], sides of at least 8 pixels, C 1 or 3.
        generator: Source of all random draws; equal states give equal bytes.

    Returns:
        float32 `[N, H, W, C]` in [0, 1], never memory of `images`.

    Raises:
        UsageError: If the corruption or severity is unknown, or pictures are too small or lack colours.
        TypeError: If the pictures are not floats.
        ValueError: If they are not a batch, or have values outside [0, 1].

    >>> grey = np.full((1, 8, 8, 1), 0.5, np.float32)
    >>> float(apply("brightness", 1, grey, np.random.default_rng(0))[0, 0, 0, 0])
    0.550000011920929
    """
    corruption = find_corruption(name)
    if severity not in corruption.severities:
        highest = len(corruption.severities)
        choice = f"choose 1 to {highest}" if highest > 1 else "choose 1" if highest else "it has one strength"
        raise UsageError(f"{name} has no severity {severity}; {choice}")
    if images.ndim != 4:
        raise ValueError(f"Expected pictures [N, H, W, C], but got the shape {list(images.shape)}")
    height, width, channels = images.shape[1:]
    side = min(height, width)
    if side < _MIN_SIDE:
        raise UsageError(
            f"corruptions need pictures of at least {_MIN_SIDE} x {_MIN_SIDE} pixels, found {height} x {width}; "
            "enlarge them"
        )
    if channels not in {1, 3}:
        raise UsageError(f"corruptions need pictures of 1 or 3 channels, found {channels}; drop the others")
    if corruption.needs_colour and channels == 1:
        raise UsageError(f"{name} needs pictures of 3 channels, found 1; choose another corruption")
    if not ((images >= 0) & (images <= 1)).all():
        raise ValueError("Expected values in [0, 1], but some are outside, or not a number")
    constants = corruption.constants(side)[severity - 1]
    if not corruption.needs_another:
        return each(images, lambda picture: corruption.alter(picture, generator, *constants))
    others = iter(_others(images, generator))
    return each(images, lambda picture: corruption.alter(picture, generator, *constants, next(others)))


def _add(registry: dict[str, Any], name: str, value: object) -> None:
    if name in registry:
        raise ValueError(f"{name!r} is registered already")
    registry[name] = value


def _others(images: FloatArray, generator: Generator) -> list[Picture]:
    """Another picture of the batch for each picture; of a single one, itself upside down."""
    pictures = np.asarray(images, np.float32)
    count = len(pictures)
    if count == 1:
        return [pictures[0, ::-1, ::-1]]
    # A step of 1 to N - 1 from each picture is any other one, each equally likely.
    return [pictures[(i + int(generator.integers(1, count))) % count] for i in range(count)]
