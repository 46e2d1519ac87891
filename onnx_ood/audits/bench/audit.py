"""The bench audit: how well detectors separate out-of-distribution inputs from in-distribution ones, on one model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from onnx_ood._progress import Phase
from onnx_ood._types import Progress
from onnx_ood.audits._common.settings import takes_settings
from onnx_ood.audits.bench.corruptions import ScoreReader, applicable, corruption_curves, versions
from onnx_ood.audits.bench.metrics import detector_metrics, flagged, set_scores
from onnx_ood.audits.bench.protocol_results import protocol_results
from onnx_ood.audits.bench.protocol_sets import open_protocol
from onnx_ood.audits.bench.result import BenchCache, BenchResult, BenchSet
from onnx_ood.audits.bench.settings import BenchSettings
from onnx_ood.evidence.collect import Collector
from onnx_ood.evidence.fit import DetectorPipeline, FittedDetectors
from onnx_ood.evidence.model_notes import stored_randomness_notes
from onnx_ood.evidence.nudge_units import spread_notes, unit_notes
from onnx_ood.evidence.perturbed import NUDGED
from onnx_ood.evidence.prepared_model import PreparedModel, prepare_model
from onnx_ood.evidence.references import overlap_notes
from onnx_ood.evidence.sets import check_sets, collect_sets, open_sets
from onnx_ood.evidence.table_columns import set_column_notes
from onnx_ood.graph import Model
from onnx_ood.inputs import InputSource, open_references
from onnx_ood.metrics.bootstrap import RESAMPLES
from onnx_ood.results.provenance import environment


@takes_settings(BenchSettings)
def bench(
    model: str | Path | Model,
    id: Any,  # noqa: A002 - the name of the set
    ood: Any = None,
    settings: BenchSettings | None = None,
    *,
    reference: Any = None,
    progress: Progress | None = None,
) -> BenchResult:
    """Measure how well detectors separate out-of-distribution sets from in-distribution inputs.

    Args:
        model: Path of an ONNX file, or a loaded model.
        id: In-distribution inputs: paths, folders, globs, arrays or images, as `onnx_ood.inputs.open_inputs` takes
            them. With `protocol` the data folder of the protocol, laid out as OpenOOD's.
        ood: Out-of-distribution inputs by name of the set, or the inputs of a single set; None for synthetic sets only,
            or for those of the protocol.
        settings: Settings; None for the defaults. Each field can also be given as a keyword argument.
        reference: Known-good inputs that detectors learn from, none of them in `id`; None for none.
        progress: Called with the number of inputs done.

    Returns:
        Metrics of each detector on each set; the status is "not_evaluated" if a set has fewer than 10 inputs. Such a
        set counts in no mean.

    Raises:
        UsageError: If a detector is unknown or does not apply, or there is nothing to compare with.
        ModelError: If the model cannot be read or run.
        NotEvaluatedError: If no in-distribution input, or no input of a set, could be measured.
        ProviderError: If the provider cannot run here.
        OutputError: If the folder of the cache cannot be created.

    Example:
        onnx_ood.bench("model.onnx", "photos/", {"textures": "textures/"}, detectors="energy,msp")
    """
    settings = settings or BenchSettings()
    protocol = open_protocol(settings.protocol, id, ood) if settings.protocol else None
    sources = protocol.sources if protocol else open_sets(id, ood)
    synthetic = settings.synthetic_ood and protocol is None
    references = open_references(reference)
    given = InputSource.joined([sources.all, references])
    given.check_missing()
    prepared = prepare_model(
        model,
        given,
        site=settings.site,
        feeds=settings.feeds,
        preprocess=settings.preprocess,
        batch_axis=settings.batch_axis,
        answer=settings.answer,
    )
    pipeline = DetectorPipeline(
        prepared,
        settings.detectors,
        settings,
        spread_over=references if references.given else sources.id,
    )
    check_sets(prepared, sources, synthetic=synthetic)
    differing = set_column_notes(prepared.fed, sources, references)
    corruptions, left_out = applicable(settings.chosen_corruptions, prepared.preprocessing)
    known = pipeline.measure_references(references, limit=settings.limit, progress=progress)
    fitted = pipeline.fit(known, progress)
    known = fitted.references
    sets = collect_sets(
        pipeline.collector(settings.limit),
        prepared,
        sources,
        synthetic=synthetic,
        progress=progress,
    )
    curves = None
    if settings.corruptions:
        runs = len(sets.id.ids) * (1 + versions(corruptions))
        scoring = Collector(
            ScoreReader(pipeline.cached_reader, fitted, Phase(progress, "corruptions", runs).advance),
            prepared,
            limit=settings.limit,
            seed=settings.seed,
        )
        names = [detector.name for detector in fitted.detectors]
        curves = corruption_curves(scoring, names, sources.id, corruptions, left_out, settings.seed)
    scores = set_scores(fitted, sets.id.values, sets.ood)
    results = None
    if protocol:
        others = _auto_without_given(prepared, settings, progress) if _learns_from_given(fitted) else []
        results = protocol_results(
            protocol,
            sets,
            [(fitted, scores), *((one, set_scores(one, sets.id.values, sets.ood)) for one in others)],
            limit=settings.limit,
            seed=settings.seed,
        )
    cache = pipeline.chosen_cache
    return BenchResult(
        status=sets.status,
        settings=settings.stored,
        model=prepared.facts,
        site=prepared.site.name,
        feeds=prepared.feeding.described,
        preprocessing=prepared.chosen.describe() if prepared.chosen else None,
        limit=settings.limit,
        provider=pipeline.cached_reader.provider,
        seed=settings.seed,
        resamples=RESAMPLES,
        environment=environment(),
        id=len(sets.id.ids),
        references=len(known),
        reference=known.source,
        failed=tuple(sets.id.failed) + known.failed,
        sets=tuple(
            BenchSet(name=name, inputs=len(one.ids), synthetic=False, failed=tuple(one.failed))
            for name, one in sets.given.items()
        )
        + tuple(BenchSet(name=name, inputs=len(one), synthetic=True) for name, one in sets.synthetic.items()),
        detectors=detector_metrics(fitted, scores, settings.seed, keep_scores=settings.scores),
        corruptions=curves,
        protocol=results,
        flags=flagged(fitted, sets.id.values, sets.ood, settings),
        not_applicable=fitted.not_applicable,
        cache=BenchCache(found=cache.found, measured=cache.measured) if cache else None,
        notes=(
            *differing,
            *prepared.notes,
            *spread_notes(pipeline.spread if pipeline.needs & NUDGED else None, given=references.given),
            *(unit_notes(pipeline.spread) if "jacobian" in pipeline.needs else []),
            *stored_randomness_notes(prepared.model),
            *overlap_notes(
                sources.id.shared_with(references),
                [
                    name
                    for name, digest in zip(sets.id.ids, sets.id.digests, strict=True)
                    if digest in known.digests
                ],
            ),
            *sets.notes,
            *fitted.notes,
            *filter(None, (known.note, cache.problem if cache else "")),
        ),
    )


def _learns_from_given(fitted: FittedDetectors) -> bool:
    return fitted.references.source == "given" and "auto" in fitted.by_name


def _auto_without_given(
    prepared: PreparedModel, settings: BenchSettings, progress: Progress | None
) -> list[FittedDetectors]:
    """Fit `auto` once more as if no references were given; empty if it cannot do without."""
    pipeline = DetectorPipeline(prepared, ("auto",), settings)
    references = pipeline.measure_references(InputSource(), progress=progress)
    if references.features is None and pipeline.detectors[0].requires_reference(pipeline.cached_reader.info):
        return []
    return [pipeline.fit(references, progress)]
