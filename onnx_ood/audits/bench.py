"""The bench audit: how well do detectors tell out-of-distribution inputs from ordinary ones, on this model?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onnx_ood.audits.bench_result import (
    BenchDetector,
    BenchFlags,
    BenchInterval,
    BenchResult,
    BenchSet,
    SetFigures,
)
from onnx_ood.audits.bench_settings import BenchSettings
from onnx_ood.audits.collecting import FEWEST, Collected, Collector
from onnx_ood.audits.detector_choice import choose_detectors, learnable
from onnx_ood.audits.environment import environment
from onnx_ood.audits.evidence import EvidenceReader
from onnx_ood.audits.facts import model_facts
from onnx_ood.audits.known import Known, generic_references, given_references, with_blanks
from onnx_ood.audits.preprocessing import choose_preprocessing
from onnx_ood.audits.sets import collect_sets, counting
from onnx_ood.detectors import Detector, Evidence, Need, Subject, find_detector, flag, verdict_p_values
from onnx_ood.exceptions import UsageError
from onnx_ood.graph import Model, load
from onnx_ood.inputs import Discovery, Preprocessing, discover, read_card
from onnx_ood.measurement import first_input
from onnx_ood.metrics.bootstrap import RESAMPLES, Interval, Resampling, interval
from onnx_ood.metrics.detection import detection
from onnx_ood.metrics.intervals import share_interval

Progress = Callable[[int, int | None], None]
Float = NDArray[np.float64]


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
        The result; its status is "not evaluated" if there are fewer than 10 ordinary inputs, or fewer of a set.

    Raises:
        UsageError: If a detector is unknown or doesn't apply, or there is nothing to compare with.
        ModelError: If the model can't be read or run.
        NotEvaluatedError: If no ordinary input could be measured.
        ProviderError: If the provider can't run here.
    """
    settings = settings or BenchSettings()
    loaded = model if isinstance(model, Model) else load(model)
    strange = strange or {}
    detectors, not_applicable = choose_detectors(loaded, settings.detectors)
    fed = first_input(loaded)
    found = discover([*ordinary, *(path for paths in strange.values() for path in paths)])
    preprocessing = _preprocessing(loaded, found, settings)
    if not strange and not (settings.controls and preprocessing is not None):
        raise UsageError("there is no set to tell from the ordinary inputs: name one, or give pictures")
    needs: set[Need] = {need for detector in detectors for need in detector.needs}
    if reference:
        needs.update(find_detector("auto").needs)
    reader = _reader(loaded, needs, preprocessing, settings)
    collector = Collector(reader, fed, preprocessing, settings.limit, settings.seed)
    # Altered references are learnt from by their activity alone.
    rehearsing = None
    if "altered" in needs:
        altered = _reader(loaded, {"layers"}, preprocessing, settings)
        rehearsing = Collector(altered, fed, preprocessing, settings.limit, settings.seed)
    step = counting(progress)
    known = Known("none")
    if reference:
        known = given_references(collector, rehearsing, reference, preprocessing, step)
    elif settings.generic and any(detector.reference for detector in detectors):
        known = generic_references(collector, rehearsing, preprocessing)
    detectors = learnable(detectors, reader.subject, known, not_applicable, asked=bool(settings.detectors))
    subject = with_blanks(reader.subject, known, collector, preprocessing)
    sets = collect_sets(
        collector,
        loaded.path,
        ordinary,
        strange,
        controls=settings.controls,
        pictures=preprocessing is not None,
        step=step,
    )
    usual, tested = sets.usual, sets.tested
    return BenchResult(
        status="measured" if _enough(usual, tested) else "not evaluated",
        model=model_facts(loaded),
        preprocessing=None if preprocessing is None else preprocessing.describe(),
        provider=reader.provider,
        seed=settings.seed,
        resamples=RESAMPLES,
        environment=environment(),
        ordinary=len(usual.ids),
        references=len(known.evidence) if known.evidence else 0,
        reference=known.source,
        failed=tuple(usual.failed) + known.failed,
        sets=tuple(
            BenchSet(name=name, inputs=len(one.ids), made=False, failed=tuple(one.failed))
            for name, one in sets.given.items()
        )
        + tuple(BenchSet(name=name, inputs=len(one), made=True) for name, one in sets.made.items()),
        detectors=_figures(detectors, subject, known, usual.evidence, tested, settings.seed),
        flags=_flags(subject, known, usual.evidence, tested, settings.rate),
        not_applicable=not_applicable,
        notes=sets.notes + ((known.note,) if known.note else ()),
    )


def _reader(
    model: Model, needs: set[Need], preprocessing: Preprocessing | None, settings: BenchSettings
) -> EvidenceReader:
    return EvidenceReader(
        model,
        needs,
        preprocessing=preprocessing,
        seed=settings.seed,
        provider=settings.provider,
        batch_size=settings.batch_size,
    )


def _preprocessing(model: Model, found: Discovery, settings: BenchSettings) -> Preprocessing | None:
    chosen = choose_preprocessing(first_input(model), found, settings.preprocessing, read_card(model.path))
    return chosen.preprocessing if chosen else None


def _enough(usual: Collected[Evidence], tested: Mapping[str, Evidence]) -> bool:
    return len(usual.ids) >= FEWEST and all(len(one) >= FEWEST for one in tested.values())


def _figures(
    detectors: Sequence[Detector],
    subject: Subject,
    known: Known,
    usual: Evidence,
    tested: Mapping[str, Evidence],
    seed: int,
) -> tuple[BenchDetector, ...]:
    """Figures of all detectors, the best first."""
    resampling = Resampling(len(usual), {name: len(one) for name, one in tested.items()}, seed)
    aurocs: dict[str, Float] = {}
    scores: dict[str, tuple[Float, dict[str, Float]]] = {}
    for detector in detectors:
        scorer = detector.fit(subject, known.evidence)
        ordinary, strange = scorer(usual), {name: scorer(one) for name, one in tested.items()}
        scores[detector.name] = ordinary, strange
        aurocs[detector.name] = resampling.aurocs(ordinary, strange)
    order = sorted(detectors, key=lambda one: -float(aurocs[one.name][0].mean()))
    best = aurocs[order[0].name].mean(axis=1)
    results = []
    for detector in order:
        samples = aurocs[detector.name]
        ordinary, strange = scores[detector.name]
        results.append(
            BenchDetector(
                name=detector.name,
                formula=detector.formula,
                source=detector.source,
                reference=detector.reference,
                macro=_interval(interval(samples.mean(axis=1))),
                behind=_interval(interval(best - samples.mean(axis=1))),
                figures=tuple(
                    _set(name, ordinary, values, samples[:, column])
                    for column, (name, values) in enumerate(strange.items())
                ),
            )
        )
    return tuple(results)


def _flags(
    subject: Subject, known: Known, usual: Evidence, tested: Mapping[str, Evidence], rate: float
) -> BenchFlags | None:
    """What is flagged as unlike references that were given."""
    if known.source != "given" or known.evidence is None or (len(known.evidence) + 1) * rate < 1:
        return None
    if not subject.layers and subject.probabilities is None:
        return None
    reference = known.evidence

    def flagged(inputs: Evidence) -> NDArray[np.bool_]:
        return flag(verdict_p_values(subject, reference, inputs), rate, len(reference))

    ordinary = flagged(usual)
    low, high = share_interval(int(ordinary.sum()), len(ordinary))
    return BenchFlags(
        rate=rate,
        ordinary=BenchInterval(value=float(ordinary.mean()), low=low, high=high),
        sets={name: float(flagged(one).mean()) for name, one in tested.items()},
    )


def _set(name: str, ordinary: Float, strange: Float, samples: Float) -> SetFigures:
    found = detection(ordinary, strange)
    return SetFigures(
        set=name,
        auroc=_interval(interval(samples)),
        aupr_in=found.aupr_in,
        aupr_out=found.aupr_out,
        fpr95=found.fpr95,
    )


def _interval(found: Interval) -> BenchInterval:
    return BenchInterval(value=found.value, low=found.low, high=found.high)
