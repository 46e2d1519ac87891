"""The directions audit: where a smaller cosine drop means out-of-distribution, and where the direction flips."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from onnx_ood._types import Progress
from onnx_ood.audits._common.settings import takes_settings
from onnx_ood.audits.directions.metrics import Levels, aurocs, conclude, count, factors_of, set_directions
from onnx_ood.audits.directions.result import DirectionsResult, SweptLayer
from onnx_ood.audits.directions.settings import COPIES, DirectionsSettings
from onnx_ood.audits.directions.sweep import Sweep
from onnx_ood.evidence.collect import Collector
from onnx_ood.evidence.model_notes import stored_randomness_notes
from onnx_ood.evidence.nudge_units import feature_spread, spread_notes
from onnx_ood.evidence.prepared_model import PreparedModel, prepare_model
from onnx_ood.evidence.sets import check_sets, collect_sets, open_sets
from onnx_ood.evidence.table_columns import set_column_notes
from onnx_ood.graph import Model, Rounding, find_rounding, select, suggest_probes
from onnx_ood.results.provenance import environment


@takes_settings(DirectionsSettings)
def directions(
    model: str | Path | Model,
    id: Any,  # noqa: A002 - the name of the set
    ood: Any = None,
    settings: DirectionsSettings | None = None,
    *,
    progress: Progress | None = None,
) -> DirectionsResult:
    """Measure the direction of the cosine drop over layers, scales, distributions of noise and numbers of copies.

    Args:
        model: Path of an ONNX file, or a loaded model.
        id: In-distribution inputs: paths, folders, globs, arrays or images, as `onnx_ood.inputs.open_inputs` takes
            them.
        ood: Out-of-distribution inputs by name of the set, or the inputs of a single set; None for synthetic sets only.
        settings: Settings; None for the defaults. Each field can also be given as a keyword argument.
        progress: Called with the name of a phase, its steps done and in all (None if not counted).

    Returns:
        AUROC of "a smaller cosine drop is out-of-distribution" for each set and combination; the status is
        "not_evaluated" if a set has fewer than 10 inputs.

    Raises:
        UsageError: If a selector matches nothing, or there is nothing to compare with.
        ModelError: If the model cannot be read or run.
        NotEvaluatedError: If no in-distribution input, or no input of a set, could be measured.
        ProviderError: If the provider cannot run here.

    Example:
        onnx_ood.directions("model.onnx", "photos/", {"textures": "textures/"}, scales=(0.01, 0.05))
    """
    settings = settings or DirectionsSettings()
    sources = open_sets(id, ood)
    sources.all.check_missing()
    prepared = prepare_model(
        model,
        sources.all,
        site=settings.site,
        feeds=settings.feeds,
        preprocess=settings.preprocess,
        batch_axis=settings.batch_axis,
    )
    check_sets(prepared, sources, synthetic=settings.synthetic_ood)
    differing = set_column_notes(prepared.fed, sources)
    site = prepared.site
    probes = (
        select(prepared.model, settings.probes, site)
        if settings.probes
        else tuple(suggestion.tensor for suggestion in suggest_probes(prepared.model, site=site))
    )
    spread = feature_spread(prepared, sources.id)
    rounding = find_rounding(prepared.model, site)
    sweep = Sweep(
        prepared,
        probes,
        settings.scales,
        seed=settings.seed,
        provider=settings.provider,
        batch_size=settings.batch_size,
        spread=spread,
    )
    sets = collect_sets(
        Collector(sweep, prepared, limit=settings.limit, seed=settings.seed),
        prepared,
        sources,
        synthetic=settings.synthetic_ood,
        progress=progress,
    )
    drops = sets.id.values
    grids = {name: aurocs(drops, values) for name, values in sets.ood.items()}
    tensors = {tensor.name: tensor for tensor in probes}
    layers = tuple(
        SweptLayer(name=name, op=tensors[name].op, depth=tensors[name].depth, noise_floor=floor)
        for name, floor in zip(sweep.prober.probes, sweep.floor.tolist(), strict=True)
    )
    levels = Levels(tuple(layer.name for layer in layers), settings.scales, sweep.noises, COPIES)
    results = tuple(
        set_directions(
            name,
            grids[name],
            levels,
            len(values),
            sets.given[name].failed if name in sets.given else None,
        )
        for name, values in sets.ood.items()
    )
    factors = factors_of(grids, levels)
    counts = count(np.stack(list(grids.values())))
    return DirectionsResult(
        status=sets.status,
        settings=settings.stored,
        model=prepared.facts,
        feeds=prepared.feeding.described,
        preprocessing=prepared.chosen.describe() if prepared.chosen else None,
        limit=settings.limit,
        provider=sweep.prober.provider,
        seed=settings.seed,
        environment=environment(),
        site=site.name,
        space="feature" if spread is not None else "pixel" if prepared.site_preprocessing else "tensor",
        scales=settings.scales,
        noises=sweep.noises,
        copies=COPIES,
        layers=layers,
        skipped=sweep.prober.skipped,
        id=len(drops),
        failed=tuple(sets.id.failed),
        counts=counts,
        factors=factors,
        sets=results,
        conclusion=conclude(counts, results, factors),
        notes=(
            *differing,
            *prepared.notes,
            *spread_notes(spread, given=False),
            *_rounding_notes(prepared, rounding, settings.scales if spread is None else ()),
            *stored_randomness_notes(prepared.model),
            *sets.notes,
        ),
    )


def _rounding_notes(prepared: PreparedModel, rounding: Rounding | None, scales: Sequence[float]) -> list[str]:
    """Note scales below the step to which a quantized model rounds the site."""
    if rounding is None:
        return []
    what = f"The model rounds {prepared.site.name!r} to {rounding}"
    if rounding.step is None:
        return [f"{what}: smaller nudges change little or nothing."]
    pictures = prepared.site_preprocessing
    gain = 1.0 if pictures is None else float(np.max(pictures.gain))
    small = [f"{scale:g}" for scale in scales if scale * gain < rounding.step]
    return [f"{what}, so nudges of {', '.join(small)} change little or nothing."] if small else []
