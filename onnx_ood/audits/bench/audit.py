"""The bench audit: how well do detectors tell out-of-distribution inputs from ordinary ones, on this model?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from onnx_ood._types import Progress
from onnx_ood.audits._common.preprocessing import choose_preprocessing, preprocessing_notes
from onnx_ood.audits.bench.corruptions import Scoring, corruption_curves, possible
from onnx_ood.audits.bench.metrics import detector_metrics, flagged
from onnx_ood.audits.bench.result import BenchCache, BenchResult, BenchSet
from onnx_ood.audits.bench.settings import BenchSettings
from onnx_ood.detectors import Features, Need, find_detector
from onnx_ood.evidence.cache import FeatureCache
from onnx_ood.evidence.choice import choose_detectors, learnable
from onnx_ood.evidence.collect import FEWEST, Collected, Collector
from onnx_ood.evidence.reader import MakesReaders
from onnx_ood.evidence.references import (
    ReferenceSet,
    among_references,
    measure_bundled_photos,
    measure_references,
    overlap_notes,
    with_baseline_inputs,
)
from onnx_ood.evidence.sets import collect_sets, counting
from onnx_ood.exceptions import UsageError
from onnx_ood.graph import Model, load
from onnx_ood.inputs import discover, read_card
from onnx_ood.metrics.bootstrap import RESAMPLES
from onnx_ood.results.provenance import environment, model_facts
from onnx_ood.runtime import first_input


def bench(
    model: str | Path | Model,
    ordinary: Sequence[str],
    strange: Mapping[str, Sequence[str]] | None = None,
    settings: BenchSettings | None = None,
    *,
    reference: Sequence[str] = (),
    progress: Progress | None = None,
) -> BenchResult:
    """Measures detectors.

    Args:
        model: A path or a loaded model.
        ordinary: Files, folders or globs of inputs that the model is made for.
        strange: The same of out-of-distribution sets, by name.
        settings: What to measure and how; None for the defaults.
        reference: Known-good inputs that detectors may learn from; they should not be among `ordinary`.
        progress: Called with the number of inputs that are done.

    Returns:
        The result; its status is "not_evaluated" if there are fewer than 10 ordinary inputs, or fewer of a set.

    Raises:
        UsageError: If a detector is unknown or doesn't apply, or there is nothing to compare with.
        ModelError: If the model can't be read or run.
        NotEvaluatedError: If no ordinary input could be measured.
        ProviderError: If the provider can't run here.
        OutputError: If the folder of the cache can't be made.
    """
    settings = settings or BenchSettings()
    loaded = model if isinstance(model, Model) else load(model)
    strange = strange or {}
    detectors, not_applicable = choose_detectors(loaded, settings.detectors)
    fed = first_input(loaded)
    found = discover([*ordinary, *(path for paths in strange.values() for path in paths)])
    card, facts = read_card(loaded.path), model_facts(loaded)
    chosen = choose_preprocessing(fed, found, settings.preprocess, card)
    preprocessing = chosen.preprocessing if chosen else None
    if not strange and not (settings.synthetic_ood and preprocessing is not None):
        raise UsageError("there is no set to tell from the ordinary inputs: name one, or give pictures")
    kinds, left_out = possible(settings.kinds, preprocessing)
    needs: set[Need] = {need for detector in detectors for need in detector.needs}
    if reference:
        needs.update(find_detector("auto").needs)
    making = MakesReaders(loaded, fed, preprocessing, settings.seed, settings.provider, settings.batch_size)
    cache = None if settings.cache is None else FeatureCache(settings.cache, making)
    readers = cache.reader if cache else making
    reader = readers(needs)
    collector = Collector(reader, fed, preprocessing, settings.limit, settings.seed)
    # Altered references are learnt from by their activity alone.
    augmenting = None
    if "altered" in needs:
        augmenting = Collector(readers({"layers"}), fed, preprocessing, settings.limit, settings.seed)
    step = counting(progress)
    known = ReferenceSet("none")
    if reference:
        known = measure_references(collector, augmenting, reference, preprocessing, step)
    elif settings.bundled_reference and any(detector.uses_reference for detector in detectors):
        known = measure_bundled_photos(collector, augmenting, preprocessing, step)
    detectors = learnable(detectors, reader.info, known, not_applicable, asked=bool(settings.detectors))
    info = with_baseline_inputs(reader.info, known, collector, preprocessing)
    sets = collect_sets(
        collector,
        loaded.path,
        ordinary,
        strange,
        controls=settings.synthetic_ood,
        pictures=preprocessing is not None,
        step=step,
    )
    usual, tested = sets.usual, sets.tested
    scorers = {one.name: one.fit(info, known.evidence) for one in detectors}
    corruptions = None
    if settings.corruptions:
        scoring = Collector(
            Scoring(reader, list(scorers.values()), step), fed, preprocessing, settings.limit, settings.seed
        )
        corruptions = corruption_curves(scoring, list(scorers), ordinary, kinds, left_out, settings.seed)
    return BenchResult(
        status="measured" if _enough(usual, tested) else "not_evaluated",
        model=facts,
        preprocessing=chosen.describe() if chosen else None,
        limit=settings.limit,
        provider=reader.provider,
        seed=settings.seed,
        resamples=RESAMPLES,
        environment=environment(),
        id=len(usual.ids),
        references=len(known.evidence) if known.evidence else 0,
        reference=known.source,
        failed=tuple(usual.failed) + known.failed,
        sets=tuple(
            BenchSet(name=name, inputs=len(one.ids), synthetic=False, failed=tuple(one.failed))
            for name, one in sets.given.items()
        )
        + tuple(BenchSet(name=name, inputs=len(one), synthetic=True) for name, one in sets.made.items()),
        detectors=detector_metrics(
            detectors, scorers, usual.evidence, tested, settings.seed, keep_scores=settings.scores
        ),
        corruptions=corruptions,
        flags=flagged(info, known, usual.evidence, tested, settings.fpr),
        not_applicable=not_applicable,
        cache=BenchCache(found=cache.found, measured=cache.measured) if cache else None,
        notes=preprocessing_notes(chosen, card, facts)
        + overlap_notes(among_references(discover(ordinary).paths, reference))
        + sets.notes
        + tuple(filter(None, (known.note, cache.problem if cache else ""))),
    )


def _enough(usual: Collected[Features], tested: Mapping[str, Features]) -> bool:
    return len(usual.ids) >= FEWEST and all(len(one) >= FEWEST for one in tested.values())
