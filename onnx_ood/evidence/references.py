"""Inputs that detectors learn from: known-good ones that are given, or photos that come with the package."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from onnx_ood.detectors import Features, ModelInfo
from onnx_ood.evidence.collect import Alteration, Collector, numbered
from onnx_ood.evidence.generic_photos import generic_photos
from onnx_ood.exceptions import TooFewReferencesError
from onnx_ood.inputs import Preprocessing, discover
from onnx_ood.perturb import apply, find_corruption, list_corruptions
from onnx_ood.results.base import Failure

Source = Literal["given", "bundled", "none"]

LEAST = 10
"""Fewer references tell nothing of what is usual."""
# How strongly references are altered, where there is a choice.
_SEVERITY = 4
_GREYS = 11


@dataclass(frozen=True)
class ReferenceSet:
    """What was measured of references.

    Attributes:
        source: Whether they are known-good inputs that were given, bundled photos, or there are none.
        evidence: Of each, with `altered`; None where there are none.
        ids: Names of those that were given.
        failed: References that could not be measured.
        note: Why it is what it is, where nobody chose it; or empty.
    """

    source: Source
    evidence: Features | None = None
    ids: tuple[str, ...] = ()
    failed: tuple[Failure, ...] = ()
    note: str = ""


def measure_references(
    collector: Collector[Features],
    augmenting: Collector[Features] | None,
    paths: Sequence[str],
    preprocessing: Preprocessing | None,
    progress: Callable[[int], None] | None = None,
) -> ReferenceSet:
    """Measures known-good inputs that were given.

    Args:
        collector: Reads and measures.
        augmenting: Measures them altered: what detectors learn from that; None if none of them does.
        paths: Files, folders or globs.
        preprocessing: How pictures become tensors; without it references can't be altered.
        progress: Called with the number of inputs of each batch that is done.

    Returns:
        What was measured.

    Raises:
        TooFewReferencesError: If fewer than 10 could be measured.
    """
    found = collector.collect(paths, progress=progress)
    if len(found.ids) < LEAST:
        raise TooFewReferencesError(
            f"{len(found.ids)} references could be measured, and fewer than {LEAST} tell nothing of what is usual: "
            "give more with --reference"
        )
    altered: tuple[Features, ...] = ()
    if augmenting is not None and preprocessing is not None:
        kinds = augmenting.collect(paths, numbered(pseudo_ood_augmentations(preprocessing))).altered.values()
        # Of a kind that the model gives NaN for nothing can be learnt.
        altered = tuple(kind for kind in kinds if kind.finite().all())
    return ReferenceSet(
        "given", replace(found.evidence, altered=altered), tuple(found.ids), failed=tuple(found.failed)
    )


def measure_bundled_photos(
    collector: Collector[Features],
    augmenting: Collector[Features] | None,
    preprocessing: Preprocessing | None,
    progress: Callable[[int], None] | None = None,
) -> ReferenceSet:
    """Measures the bundled photos, if the model takes photographs.

    What it was made for can't be told from a file. A model of three colour channels is taken for one of
    photographs, any other not: for pictures of digits or garments, photos are the wrong reference and do harm.

    Args:
        collector: Measures.
        augmenting: Measures them altered: what detectors learn from that; None if none of them does.
        preprocessing: How pictures become tensors, or None.
        progress: Called with the number of pictures whenever all were measured in one way.

    Returns:
        What was measured, or nothing and why.
    """
    if preprocessing is None:
        return ReferenceSet(
            "none", note="inputs are no pictures, so that the bundled photos are no reference for them"
        )
    if preprocessing.channels == "L":
        return ReferenceSet(
            "none",
            note="the model takes pictures without colours, so that the bundled photos are no reference for it",
        )
    pictures = generic_photos(preprocessing)
    rng = np.random.default_rng(0)
    evidence = collector.made(pictures)
    if augmenting is not None:
        altered = []
        for alter in pseudo_ood_augmentations(preprocessing).values():
            if progress:
                progress(len(pictures))
            altered.append(augmenting.made(alter(pictures, rng)))
        evidence = replace(evidence, altered=tuple(altered))
    return ReferenceSet(
        "bundled",
        evidence,
        note="the model takes colour pictures, so the bundled photos stand for what is usual; "
        "--reference with known-good inputs is better, and --no-bundled-reference leaves them out",
    )


def among_references(paths: Iterable[Path], reference: Sequence[str]) -> tuple[Path, ...]:
    """Inputs that are references too: what is learnt from an input can't tell whether it is strange.

    Args:
        paths: The inputs' files.
        reference: Files, folders or globs of references.

    Returns:
        Those of them that are, however either is written.
    """
    known = {path.resolve() for path in discover(reference).paths} if reference else set()
    return tuple(path for path in paths if path.resolve() in known) if known else ()


def overlap_notes(shared: Sequence[Path]) -> tuple[str, ...]:
    """What to say of inputs that are references too."""
    if not shared:
        return ()
    count = f"{len(shared)} files are" if len(shared) > 1 else f"{shared[0].as_posix()} is"
    return (
        f"{count} among the inputs and among the references: of such inputs p-values say nothing, they look more "
        "ordinary than they are.",
    )


def with_baseline_inputs(
    info: ModelInfo,
    known: ReferenceSet,
    collector: Collector[Features],
    preprocessing: Preprocessing | None,
) -> ModelInfo:
    """What is known of a model and, where nothing better is, what it makes of blank pictures.

    Args:
        info: The model.
        known: References; with any, blanks aren't asked for.
        collector: Measures.
        preprocessing: How pictures become tensors; None if inputs are none.

    Returns:
        The info, with blanks if it has class scores.
    """
    if known.evidence is not None or preprocessing is None or info.probabilities is None:
        return info
    return replace(info, baseline=collector.made(baseline_pictures(preprocessing)))


def baseline_pictures(preprocessing: Preprocessing) -> NDArray[np.float32]:
    """Pictures without content: [11, H, W, C] in [0, 1], float32, each of one grey, from black to white."""
    greys = np.linspace(0, 1, _GREYS, dtype=np.float32)
    return np.tile(greys.reshape(-1, 1, 1, 1), (1, *preprocessing.size, preprocessing.channel_count))


def pseudo_ood_augmentations(preprocessing: Preprocessing) -> Mapping[str, Alteration]:
    """The alterations from which detectors learn what altered pictures look like.

    Args:
        preprocessing: How pictures become tensors; what needs colours is left out where there are none.

    Returns:
        By kind.
    """
    coloured = preprocessing.channels != "L"
    return {
        name: partial(_alter, name)
        for name in list_corruptions("pseudo_ood")
        if coloured or not find_corruption(name).needs_colour
    }


def _alter(name: str, pictures: NDArray[np.floating], generator: np.random.Generator) -> NDArray[np.float32]:
    return apply(name, min(_SEVERITY, find_corruption(name).severities[-1]), pictures, generator)
