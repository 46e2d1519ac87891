"""References that detectors learn from: known-good inputs, or photos bundled with the package."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from threading import Event
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from onnx_ood._dialect import named
from onnx_ood._limits import MIN_REFERENCES
from onnx_ood._progress import Phase
from onnx_ood._types import Progress
from onnx_ood.detectors import (
    AlteredReferences,
    Features,
    FittedDetector,
    ModelInfo,
    held_out_scores,
    required,
    z_scores,
)
from onnx_ood.detectors.methods.uncertainty import Uncertainty
from onnx_ood.detectors.models.gaussian import ShrunkGaussian
from onnx_ood.detectors.models.trimming import typical_rows
from onnx_ood.evidence.bundled_photos import altered_crops, bundled_photos, bundled_pictures_hash
from onnx_ood.evidence.collect import Alteration, Collector, numbered
from onnx_ood.exceptions import TooFewReferencesError
from onnx_ood.inputs import InputSource, Preprocessing
from onnx_ood.inputs.read_ahead import one_ahead
from onnx_ood.perturb import apply, find_corruption, list_corruptions
from onnx_ood.results.base import Failure
from onnx_ood.results.note_order import RUN_REFERENCE

ReferenceSource = Literal["given", "bundled", "run", "none"]

MAX_RUN = 1_000
"""Inputs of a run that are measured to serve as references."""
MIN_RUN = 20
"""Inputs of a run that can serve as references."""
CHECKED = 100
"""Inputs of a run that are measured to decide whether the bundled photos suit the model."""
# The 40% quantile of the log activity distances of inputs from the photos, in standard deviations of held-out photos.
# Above it photos are the wrong reference: docs/decisions. A lower quantile than the median bears more unusual inputs.
_SUITED_QUANTILE, _LARGEST_SUITED = 0.4, 0.25
# Crops of one photo share a fold.
_FOLDS = 8

# Severity of pseudo-OOD augmentations that have several.
_SEVERITY = 4
_GREY_LEVELS = 11


@dataclass(frozen=True)
class ReferenceSet:
    """Measured references.

    Attributes:
        source: `"given"` for known-good inputs, `"bundled"` for photos of the package, `"run"` for the most typical of
            the inputs to score, `"none"` without references.
        features: Features of the references, with `altered` if a detector reads it; None without references.
        ids: Names of given references.
        alterations: Names of the alterations of `features.altered`, in the same order.
        failed: References that could not be measured.
        note: Reason for a source that was selected automatically; empty otherwise.
        digests: Digests of given references, `Batch.digests`.
    """

    source: ReferenceSource
    features: Features | None = None
    ids: tuple[str, ...] = ()
    failed: tuple[Failure, ...] = ()
    note: str = ""
    digests: frozenset[bytes] = frozenset()
    alterations: tuple[str, ...] = ()

    @property
    def sha256(self) -> str | None:
        """SHA-256 of the names of given references, one per line; None without."""
        return sha256("\n".join(self.ids).encode()).hexdigest() if self.ids else None

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on the source and on failed references."""
        notes = [f"{self.note[0].upper()}{self.note[1:]}."] if self.note else []
        if self.failed:
            first = self.failed[0]
            notes.append(
                f"{_counted(len(self.failed))} could not be measured; the first: {first.id}: {first.reason}"
            )
        return tuple(notes)

    def __len__(self) -> int:
        return 0 if self.features is None else len(self.features)


def _counted(count: int) -> str:
    return f"{count:,} reference{'' if count == 1 else 's'}"


def measure_references(
    collector: Collector[Features],
    source: InputSource,
    preprocessing: Preprocessing | None,
    progress: Progress | None = None,
    *,
    augment: bool,
) -> ReferenceSet:
    """Measure known-good inputs.

    Args:
        collector: Measures the inputs.
        source: The inputs.
        preprocessing: Preprocessing of pictures; references are altered only with one.
        progress: Called with the number of references done and in all.
        augment: True if a detector reads altered references.

    Returns:
        The references.

    Raises:
        TooFewReferencesError: If fewer than 10 could be measured.
        ModelError: If the model could run none.
    """
    augmentations = pseudo_ood_augmentations(preprocessing) if augment and preprocessing is not None else {}
    found = collector.collect(source, numbered(augmentations), progress, "references")
    if found.refusal is not None and not found.ids:
        raise found.refusal
    if len(found.ids) < MIN_REFERENCES:
        first = (
            f" (the first that failed: {found.failed[0].id}: {found.failed[0].reason})"
            if found.failed
            else ""
        )
        raise TooFewReferencesError(
            f"{_counted(len(found.ids))} could be measured, expected at least {MIN_REFERENCES}{first}; give more with "
            f"{named('reference')}"
        )
    # Nothing can be learned from an augmentation that makes the model return NaN.
    altered = {
        name: AlteredReferences(one, np.arange(len(one)))
        for name, one in found.altered.items()
        if one.finite().all()
    }
    return ReferenceSet(
        "given",
        replace(found.values, altered=tuple(altered.values())),
        tuple(found.ids),
        failed=tuple(found.failed),
        digests=frozenset(found.digests),
        alterations=tuple(altered),
    )


def measure_bundled_photos(
    collector: Collector[Features],
    preprocessing: Preprocessing | None,
    progress: Progress | None = None,
    *,
    augment: bool,
    cached: Callable[[str, Callable[[], Features]], Features] | None = None,
) -> ReferenceSet:
    """Measure the bundled photos if the model takes colour pictures.

    A model file does not state what the model was trained for. Models with three colour channels are assumed to take
    photos. For others, such as models of digits or garments, photos are a wrong reference.

    Args:
        collector: Measures the photos.
        preprocessing: Preprocessing of pictures, or None.
        progress: Called with the number of references done and in all.
        augment: True if a detector reads altered references.
        cached: Takes a hash of the pictures and a function that measures them, and returns their features, measured
            in this run or in an earlier one; None to measure them.

    Returns:
        The references, or none; for pictures with the reason.
    """
    if preprocessing is None:
        return ReferenceSet("none")
    if preprocessing.channels == "L":
        return ReferenceSet(
            "none", note="the model takes grey pictures, so the bundled photos are not used as references"
        )
    augmentations = pseudo_ood_augmentations(preprocessing) if augment else {}

    def measure() -> Features:
        return _measure_crops(collector, preprocessing, augmentations, progress)

    features = (
        cached(bundled_pictures_hash([*augmentations, f"severity {_SEVERITY}"]), measure)
        if cached
        else measure()
    )
    # An altered crop without finite outputs is left out, not the crop that it was made from.
    features = replace(features, altered=tuple(map(_finite_only, features.altered)))
    finite = features.finite()
    if np.count_nonzero(finite) < MIN_REFERENCES:
        return ReferenceSet(
            "none",
            note="the model gives NaN or infinity for the bundled photos, so they are not used as references",
        )
    features = features if finite.all() else features.rows(np.flatnonzero(finite))
    # Nothing can be learned from an alteration with a single altered reference: it has no spread.
    learnable = [at for at, one in enumerate(features.altered) if len(one) > 1]
    names = tuple(augmentations)
    return ReferenceSet(
        "bundled",
        replace(features, altered=tuple(features.altered[at] for at in learnable)),
        alterations=tuple(names[at] for at in learnable),
        failed=tuple(
            Failure(id=f"bundled photo {at + 1}", reason="the model gives NaN or infinity for it")
            for at in np.flatnonzero(~finite).tolist()
        ),
        note="no references are given and the model takes colour pictures, so the bundled photos are used as "
        f"references; known-good inputs are better ({named('reference')})",
    )


def measure_run(
    collector: Collector[Features],
    source: InputSource,
    info: ModelInfo,
    progress: Progress | None = None,
) -> ReferenceSet:
    """Measure a random sample of the inputs to score, and take the most typical half as references.

    Args:
        collector: Measures the inputs; limits their number.
        source: The inputs to score.
        info: The model.
        progress: Called with the number of inputs done and in all.

    Returns:
        The references; none if the model has no layers or fewer than 20 inputs could be measured.
    """
    found = collector.collect(source, progress=progress, phase="references").values
    if found.activity is None or len(found) < MIN_RUN:
        return ReferenceSet("none")
    unsure = None if info.probabilities is None else Uncertainty().fit(info, None)(found)
    kept = typical_rows(found.activity, unsure)
    return ReferenceSet(
        "run",
        found.rows(kept),
        note=f"{RUN_REFERENCE}: the most typical {len(kept):,} of {len(found):,} inputs serve as references. Ranks are "
        "wrong if many inputs, more than about a fifth, are unusual; known-good inputs are better "
        f"({named('reference')})",
    )


def photos_suit(photos: Features, inputs: Features) -> bool:
    """Return whether the bundled photos are references for a model, by inputs that are mostly in-distribution.

    Args:
        photos: Features of the photos.
        inputs: Features of inputs; with fewer than 20 or without layers the photos are assumed to suit.
    """
    if photos.activity is None or inputs.activity is None or len(inputs) < MIN_RUN:
        return True
    held_out, _ = held_out_scores(_activity_distances, photos, _FOLDS)
    distances = z_scores(_activity_distances(photos)(inputs), held_out, distance=True)
    return bool(np.quantile(distances, _SUITED_QUANTILE) <= _LARGEST_SUITED)


def _activity_distances(reference: Features) -> FittedDetector:
    gaussian = ShrunkGaussian(required(reference.activity, "activity profiles"))
    return lambda features: gaussian.distances(required(features.activity, "activity profiles"))


def _measure_crops(
    collector: Collector[Features],
    preprocessing: Preprocessing,
    augmentations: Mapping[str, Alteration],
    progress: Progress | None,
) -> Features:
    """Measure crops of the bundled photos, and altered ones."""
    chosen = altered_crops(len(augmentations))

    def versions(stop: Event) -> Generator[NDArray[np.float32]]:
        pictures = bundled_photos(preprocessing)
        yield pictures
        rng = np.random.default_rng(0)
        for alter, which in zip(augmentations.values(), chosen, strict=True):
            if not stop.is_set():
                yield alter(pictures[which], rng)

    # The model does not wait for the next version.
    with closing(one_ahead(versions, name="onnx-ood-versions")) as ahead:
        pictures = next(ahead)
        measuring = Phase(progress, "references", len(pictures))
        share = len(pictures) / (len(pictures) + sum(map(len, chosen)))
        features = collector.measure_pictures(pictures)
        measuring.advance(len(pictures) * share)
        altered = []
        for pictures, which in zip(ahead, chosen, strict=True):
            altered.append(AlteredReferences(collector.measure_pictures(pictures, altered=True), which))
            measuring.advance(len(pictures) * share)
    return replace(features, altered=tuple(altered))


def _finite_only(altered: AlteredReferences) -> AlteredReferences:
    rows = np.flatnonzero(altered.features.finite())
    return AlteredReferences(altered.features.rows(rows), altered.of[rows])


def overlap_notes(shared: Sequence[str], equal: Sequence[str] = ()) -> tuple[str, ...]:
    """Return notes on inputs that are also references.

    Args:
        shared: Names of these inputs, as `InputSource.shared_with` gives them.
        equal: Names of inputs with the values of a reference, those in `shared` and others.
    """
    notes = []
    if shared:
        count = f"{len(shared)} inputs are" if len(shared) > 1 else f"{shared[0]} is"
        notes.append(
            f"{count} among the references, too: p-values of such inputs are invalid, and they look more typical than "
            "they are."
        )
    named = frozenset(shared)
    copies = [one for one in equal if named.isdisjoint((one, one.rpartition("[")[0]))]
    if copies:
        count = f"{len(copies)} inputs have" if len(copies) > 1 else f"{copies[0]} has"
        notes.append(
            f"{count} the same values as references of other names: p-values of copies are invalid, and they look more "
            "typical than they are."
        )
    return tuple(notes)


def with_baseline_inputs(
    info: ModelInfo,
    references: ReferenceSet,
    collector: Collector[Features],
    preprocessing: Preprocessing | None,
) -> ModelInfo:
    """Add features of content-free pictures to the facts of a model without references.

    Args:
        info: The model.
        references: References; with any, the baseline is not needed.
        collector: Measures the pictures.
        preprocessing: Preprocessing of pictures; None if inputs are not pictures.

    Returns:
        The facts, with a baseline if the model has class scores.
    """
    if references.features is not None or preprocessing is None or info.probabilities is None:
        return info
    return replace(info, baseline=collector.measure_pictures(baseline_pictures(preprocessing)))


def baseline_pictures(preprocessing: Preprocessing) -> NDArray[np.float32]:
    """Make content-free pictures of one grey each, from black to white.

    Args:
        preprocessing: Preprocessing of the model; gives size and channels.

    Returns:
        Pictures in [0, 1], float32 [11, H, W, C].
    """
    greys = np.linspace(0, 1, _GREY_LEVELS, dtype=np.float32)
    return np.tile(greys.reshape(-1, 1, 1, 1), (1, *preprocessing.size, preprocessing.channel_count))


def pseudo_ood_augmentations(preprocessing: Preprocessing) -> Mapping[str, Alteration]:
    """Return the augmentations whose results detectors use as pseudo-OOD inputs.

    Args:
        preprocessing: Preprocessing of the model; augmentations of colour need three channels.

    Returns:
        Augmentations by name.
    """
    coloured = preprocessing.channels != "L"
    return {
        name: partial(_augment, name)
        for name in list_corruptions("pseudo_ood")
        if coloured or not find_corruption(name).needs_colour
    }


def _augment(
    name: str, pictures: NDArray[np.floating], generator: np.random.Generator
) -> NDArray[np.float32]:
    return apply(name, min(_SEVERITY, find_corruption(name).severities[-1]), pictures, generator)
