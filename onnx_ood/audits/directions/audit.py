"""The direction audit: where does "a smaller cosine drop is out-of-distribution" hold, and where does it flip?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from onnx_ood._types import Progress
from onnx_ood.audits._common.preprocessing import choose_preprocessing, preprocessing_notes
from onnx_ood.audits.directions.metrics import Levels, aurocs, conclude, count, factors_of, set_directions
from onnx_ood.audits.directions.result import DirectionsResult, SweptLayer
from onnx_ood.audits.directions.settings import COPIES, DirectionsSettings
from onnx_ood.audits.directions.sweep import Sweep
from onnx_ood.evidence.collect import FEWEST, Collector
from onnx_ood.evidence.sets import collect_sets, counting
from onnx_ood.evidence.site_choice import choose_site
from onnx_ood.exceptions import UsageError
from onnx_ood.graph import Model, load, select, suggest_probes
from onnx_ood.inputs import discover, read_card
from onnx_ood.results.provenance import environment, model_facts
from onnx_ood.runtime import find_input


def directions(
    model: str | Path | Model,
    ordinary: Sequence[str],
    strange: Mapping[str, Sequence[str]] | None = None,
    settings: DirectionsSettings | None = None,
    *,
    progress: Progress | None = None,
) -> DirectionsResult:
    """Sweeps layer, scale, noise and copies of nudges.

    Args:
        model: A path or a loaded model.
        ordinary: Files, folders or globs of inputs that the model is made for.
        strange: The same of out-of-distribution sets, by name.
        settings: What to sweep and how; None for the defaults.
        progress: Called with the number of inputs that are done.

    Returns:
        The AUROC of each set in each setting, and what follows; its status is "not_evaluated" if there are fewer than
        10 ordinary inputs, or fewer of a set.

    Raises:
        UsageError: If a selector matches nothing, there is nothing to compare with, or the model has several inputs.
        ModelError: If the model can't be read or run.
        NotEvaluatedError: If no ordinary input could be measured, or none of a set.
        ProviderError: If the provider can't run here.
    """
    settings = settings or DirectionsSettings()
    loaded = model if isinstance(model, Model) else load(model)
    strange = strange or {}
    if len(loaded.inputs) > 1:
        names = ", ".join(tensor.name for tensor in loaded.inputs)
        raise UsageError(
            f"{loaded.path} has several inputs ({names}), and directions are measured on models of one; onnx-ood score "
            "measures drops of such models, with --feed"
        )
    site, site_note = choose_site(loaded, None, {})
    fed = find_input(loaded, site)
    found = discover([*ordinary, *(path for paths in strange.values() for path in paths)])
    card, facts = read_card(loaded.path), model_facts(loaded)
    chosen = choose_preprocessing(fed, found, settings.preprocess, card)
    preprocessing = chosen.preprocessing if chosen else None
    if not strange and not (settings.synthetic_ood and preprocessing is not None):
        raise UsageError("there is no set to tell from the ordinary inputs: name one, or give pictures")
    probes = (
        select(loaded, settings.probes, site)
        if settings.probes
        else tuple(suggestion.tensor for suggestion in suggest_probes(loaded, site=site))
    )
    sweep = Sweep(
        loaded,
        probes,
        settings.scales,
        site=site,
        preprocessing=preprocessing,
        seed=settings.seed,
        provider=settings.provider,
        batch_size=settings.batch_size,
    )
    collector = Collector(sweep, fed, preprocessing, settings.limit, settings.seed)
    found_sets = collect_sets(
        collector,
        loaded.path,
        ordinary,
        strange,
        controls=settings.synthetic_ood,
        pictures=preprocessing is not None,
        step=counting(progress),
    )
    usual, given, drops = found_sets.usual, found_sets.given, found_sets.tested
    usual_drops = usual.evidence
    grids = {name: aurocs(usual_drops, values) for name, values in drops.items()}
    tensors = {tensor.name: tensor for tensor in probes}
    layers = tuple(
        SweptLayer(name=name, op=tensors[name].op, depth=tensors[name].depth, noise_floor=floor)
        for name, floor in zip(sweep.prober.probes, sweep.floor.tolist(), strict=True)
    )
    levels = Levels(tuple(layer.name for layer in layers), settings.scales, sweep.noises, COPIES)
    sets = tuple(
        set_directions(name, grids[name], levels, len(values), given[name].failed if name in given else None)
        for name, values in drops.items()
    )
    factors = factors_of(grids, levels)
    counts = count(np.stack(list(grids.values())))
    everything = [len(usual_drops), *map(len, drops.values())]
    return DirectionsResult(
        status="measured" if min(everything) >= FEWEST else "not_evaluated",
        model=facts,
        preprocessing=chosen.describe() if chosen else None,
        limit=settings.limit,
        provider=sweep.prober.provider,
        seed=settings.seed,
        environment=environment(),
        site=site.name,
        space="tensor" if preprocessing is None else "pixel",
        scales=settings.scales,
        noises=sweep.noises,
        copies=COPIES,
        layers=layers,
        skipped=sweep.prober.skipped,
        id=len(usual_drops),
        failed=tuple(usual.failed),
        counts=counts,
        factors=factors,
        sets=sets,
        conclusion=conclude(counts, sets, factors),
        notes=preprocessing_notes(chosen, card, facts) + site_note + found_sets.notes,
    )
