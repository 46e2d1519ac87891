"""The sensitivity audit: Jacobian norms, and changes of activation pattern along trajectories.

R. Novak et al., "Sensitivity and Generalization in Neural Networks", ICLR 2018.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from onnx_ood._dialect import named
from onnx_ood._progress import Phase, prefixed
from onnx_ood._types import Progress
from onnx_ood.audits._common.predictions import describe_answer
from onnx_ood.audits._common.settings import takes_settings
from onnx_ood.audits.sensitivity.building import Measured, build
from onnx_ood.audits.sensitivity.exact_regions import ExactRegions, find_regions
from onnx_ood.audits.sensitivity.input_classes import classes_of
from onnx_ood.audits.sensitivity.measured_inputs import MeasuredInputs
from onnx_ood.audits.sensitivity.result import ModelSensitivity, SensitivityResult
from onnx_ood.audits.sensitivity.settings import SensitivitySettings
from onnx_ood.audits.sensitivity.trajectory_counts import count
from onnx_ood.evidence.feeding import Feeding
from onnx_ood.evidence.model_notes import branching_notes, stored_randomness_notes
from onnx_ood.evidence.nudge_units import row_unit_notes
from onnx_ood.evidence.preprocessing_choice import (
    choose_preprocessing,
    find_card,
    find_class_names,
    preprocessing_notes,
)
from onnx_ood.evidence.site_choice import choose_site
from onnx_ood.evidence.table_columns import input_column_notes
from onnx_ood.exceptions import NotEvaluatedError, UsageError
from onnx_ood.graph import (
    Model,
    PatternSite,
    Rounding,
    Tensor,
    Units,
    find_answer,
    find_rounding,
    find_units,
    load,
    measurable,
)
from onnx_ood.inputs import Classes, InputSource, Reader, find_tokenizer, open_inputs, read_classes
from onnx_ood.results.base import Failure
from onnx_ood.results.provenance import environment, model_facts
from onnx_ood.runtime import (
    JacobianProber,
    answer_tensor,
    decoding_threads,
    find_fed_input,
    find_input,
    find_jacobian_probe,
)

# Inputs read at once.
_READ_BATCH = 32

_MEANING = (
    "In the published study smaller norms and densities correlate with better generalisation, among models of one "
    "architecture trained for one task. Models of different architectures or preprocessing may not be comparable, and "
    "a constant function has both at 0."
)


@takes_settings(SensitivitySettings)
def sensitivity(
    models: str | Path | Model | Sequence[str | Path | Model],
    inputs: Any,
    settings: SensitivitySettings | None = None,
    *,
    progress: Progress | None = None,
) -> SensitivityResult:
    """Measure the stability of models around inputs and along trajectories between them.

    Args:
        models: A path or loaded model, or several; each reads the inputs with its own preprocessing.
        inputs: Inputs, as `onnx_ood.inputs.open_inputs` takes them: paths, globs, an array [N, *input] or images.
        settings: Settings; None for the defaults. Each field can also be given as a keyword argument.
        progress: Called with the name of a phase, its steps done and in all (None if not counted).

    Returns:
        Jacobian norms and transitions of each model, by rank; the status is "not_evaluated" if fewer than half of the
        inputs of a model could be measured.

    Raises:
        UsageError: If no model is given, or a setting does not fit one.
        ModelError: If a model cannot be read or run.
        NotEvaluatedError: If no input of a model could be measured.
        ProviderError: If the provider cannot run here.

    Example:
        onnx_ood.sensitivity("model.onnx", "photos/", trajectories=8, directions=64)
    """
    settings = settings or SensitivitySettings()
    if not models:
        raise UsageError("no model given; name at least one ONNX file")
    models = [models] if isinstance(models, str | Path | Model) else models
    found = open_inputs(inputs).require("inputs")
    found.check_missing()
    classes = None
    if settings.classes is not None:
        classes = read_classes(settings.classes)
        classes.check(found.names)
    loaded = [one if isinstance(one, Model) else load(one) for one in models]
    audits = []
    for model in loaded:
        reported = progress if len(models) == 1 else prefixed(progress, f"{model.path.name}: ")
        audits.append(_measure(model, found, classes, settings, reported))
    norms = _ranks([audit.jacobian.norm.mean for audit in audits])
    densities = _ranks([audit.density for audit in audits])
    ranked = [
        audit.model_copy(update={"jacobian_rank": norm or 1, "density_rank": density})
        for audit, norm, density in zip(audits, norms, densities, strict=True)
    ]
    ranked.sort(key=lambda audit: audit.jacobian_rank)
    enough = all(2 * len(audit.inputs) >= len(audit.inputs) + len(audit.failed) for audit in audits)
    return SensitivityResult(
        status="measured" if enough else "not_evaluated",
        directions=settings.directions,
        tolerance=settings.tolerance,
        limit=settings.limit,
        seed=settings.seed,
        environment=environment(),
        models=tuple(ranked),
        notes=(*_same_notes(loaded, audits), *_order_notes(ranked), _MEANING) if len(ranked) > 1 else (),
    )


def _same_notes(models: Sequence[Model], audits: Sequence[ModelSensitivity]) -> list[str]:
    """Note models that are ranked more than once."""
    names: dict[object, list[str]] = {}
    for model, audit in zip(models, audits, strict=True):
        # Files with the same graph may have other weights next to them.
        content = model.path.resolve() if model.data_files else audit.model.sha256
        names.setdefault(content, []).append(audit.model.path)
    return [
        f"{', '.join(dict.fromkeys(same))}: the same model is ranked {len(same)} times."
        for same in names.values()
        if len(same) > 1
    ]


def _order_notes(ranked: Sequence[ModelSensitivity]) -> list[str]:
    """Note neighbours in the ranking whose intervals overlap."""
    close = [
        f"{Path(one.model.path).name} and {Path(other.model.path).name}"
        for one, other in pairwise(ranked)
        if one.jacobian.norm.high is None
        or other.jacobian.norm.low is None
        or one.jacobian.norm.high >= other.jacobian.norm.low
    ]
    if not close:
        return []
    return [
        f"The intervals of the mean Jacobian norms of {'; of '.join(close)} overlap, so their order may be due to the "
        "choice of inputs."
    ]


def _measure(
    model: Model,
    found: InputSource,
    classes: Classes | None,
    settings: SensitivitySettings,
    progress: Progress | None,
) -> ModelSensitivity:
    answer = find_answer(model, settings.answer)
    site, site_note = choose_site(model, settings.site, settings.feeds)
    rounding = find_rounding(model, site)
    if settings.exact_regions and not site.is_input:
        raise UsageError(
            f"exact boundaries need a model input as the site, found {site.name!r}; "
            f"leave out {named('exact_regions', True)}"
        )
    given = find_fed_input(model, find_input(model, site, settings.feeds), settings.batch_axis)
    if settings.exact_regions and given.moved:
        raise UsageError(
            f"exact boundaries need a model input with the batch axis first, and {given.name!r} has "
            f"{'none' if given.batch_axis is None else f'it as axis {given.batch_axis}'}; leave out "
            f"{named('exact_regions', True)}"
        )
    feeding = Feeding(model, given, settings.feeds)
    feeding.check(found)
    differing = input_column_notes(given, found)
    fed = feeding.fed
    card, facts = find_card(model), model_facts(model)
    chosen = choose_preprocessing(given, found, settings.preprocess, card)
    units = _units_behind(model, site)
    linear = [one for one in units.sites if one.exact == "linear" and not one.argmax and one.above == (0.0,)]
    prober = JacobianProber(
        model,
        find_jacobian_probe(model, settings.probe, site),
        patterns=_tensors(model, linear),
        site=site.name,
        provider=settings.provider,
        batch_size=settings.batch_size,
        feeds=settings.feeds,
        batch_axis=given.choice,
        answer=settings.answer,
    )
    reader = Reader(
        found,
        preprocessing=chosen.preprocessing if chosen else None,
        input_name=fed.name,
        input_shape=fed.shape,
        batch_axis=fed.stored_axis,
        dtype=fed.dtype,
        others=feeding.from_files,
        batch=_READ_BATCH,
        threads=decoding_threads(),
        tokenizer=find_tokenizer(model.path),
        limit=settings.limit,
        seed=settings.seed,
    )
    names = find_class_names(settings.labels, card)
    inputs = MeasuredInputs(prober, feeding, settings, names, answer, rounding)
    inputs.failed += [Failure(id=missing.id, reason=missing.reason) for missing in found.missing]
    measuring = Phase(progress, "inputs", reader.count() if progress else None)
    with closing(iter(reader)) as batches:
        for batch in batches:
            inputs.failed += [Failure(id=failed.id, reason=failed.reason) for failed in batch.failed]
            if len(batch):
                inputs.take(batch)
            measuring.reach(len(inputs.ids) + len(inputs.failed))
    if not inputs.ids:
        reason = inputs.failed[0].reason if inputs.failed else "there is none"
        raise NotEvaluatedError(f"{model.path}: no input could be measured: {reason}")
    if rounding is not None and not inputs.all("norm").any():
        raise NotEvaluatedError(
            f"{model.path}: the model rounds {site.name!r} to {rounding}, and all differences are zero"
        )
    preprocessing = chosen.preprocessing if chosen else None
    ids = [inputs.ids[i] for i in inputs.kept]
    known = classes_of(ids, [inputs.predictions[i] for i in inputs.kept], classes)
    if settings.trajectories:
        Phase(progress, "trajectories")
    counted = count(units.sites, inputs, known.of, preprocessing, feeding, prober.prober, settings)
    if settings.exact_regions:
        Phase(progress, "exact regions")
    regions = (
        find_regions(model, site, np.stack(inputs.points), ids) if settings.exact_regions else ExactRegions()
    )
    return build(
        Measured(
            facts=facts,
            prober=prober.prober,
            units=units,
            # All units bend at zero only.
            whole_regions=bool(linear) and not units.unread and len(linear) == len(units.sites),
            preprocessing=chosen.describe() if chosen else None,
            inputs=inputs,
            classes=known,
            counted=counted,
            feeds=feeding.described,
            regions=regions,
            notes=(
                *(row_unit_notes(inputs.points, given, preprocessing) if site.is_input else []),
                *differing,
                *preprocessing_notes(chosen, card, facts),
                *site_note,
                *filter(None, [given.note]),
                *branching_notes(model, given),
                *stored_randomness_notes(model),
                *feeding.notes,
                *reader.notes,
                *_answer_notes(model, settings),
                *_rounding_notes(site, rounding),
            ),
        )
    )


def _answer_notes(model: Model, settings: SensitivitySettings) -> list[str]:
    """Note what is differentiated if no output is the answer."""
    reason = describe_answer(model, settings.answer).reason
    if not reason or settings.probe is not None:
        return []
    return [f"The Jacobian is that of output {answer_tensor(model).name!r}, not of a prediction: {reason}."]


def _rounding_notes(site: Tensor, rounding: Rounding | None) -> list[str]:
    """Note differences over the steps of a quantized model."""
    if rounding is None:
        return []
    return [
        f"The model rounds {site.name!r} to {rounding}: Jacobian norms are of differences over such steps, and not "
        "comparable with those of models without rounding."
    ]


def _units_behind(model: Model, site: Tensor) -> Units:
    units = find_units(model)
    behind = {tensor.name for tensor in measurable(model, site)}
    sites = tuple(one for one in units.sites if {one.name, one.read} <= behind)
    return Units(sites, {name: reason for name, reason in units.unread.items() if name in behind})


def _tensors(model: Model, sites: Iterable[PatternSite]) -> list[Tensor]:
    known = {tensor.name: tensor for tensor in model.all_tensors}
    return list({site.read: known[site.read] for site in sites}.values())


def _ranks(values: Sequence[float | None]) -> list[int | None]:
    """Ranks, 1 for the smallest."""
    order = sorted((value, i) for i, value in enumerate(values) if value is not None)
    ranks: list[int | None] = [None] * len(values)
    for rank, (_, i) in enumerate(order, start=1):
        ranks[i] = rank
    return ranks
