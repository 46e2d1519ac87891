"""Models that other people wrote and ship in packages can be watched everywhere, and nudged."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from checking import (
    agree_with_the_reference,
    each_node_agrees_with_the_reference,
    measured_like_numpy,
    watch_everywhere,
)
from packaged import Packaged, all_packaged
from running import run

import onnx_ood
from onnx_ood.detectors import find_feature_sources
from onnx_ood.exceptions import UsageError
from onnx_ood.graph import load

pytestmark = pytest.mark.real

MODELS = {model.name: model for model in all_packaged()}
# Its layer normalisation subtracts two large sums of squares from each other, so that no two evaluations of the whole
# agree inside it by more than two or three digits.
CANCELS = "magika/models/standard_v3_3/model.onnx"


def each(names: Iterable[str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("model", [pytest.param(MODELS[name], id=name) for name in names])


@each(MODELS)
def test_every_tensor_comes_back_and_nothing_moves(model: Packaged, tmp_path: Path, report) -> None:
    figures = watch_everywhere(model.path, model.feeds(), tmp_path, site=model.site)
    report(model.name, model.origin, model.licence, figures)
    assert figures.bit_equal
    assert not figures.beyond


# The reference computes both sides of a sigmoid everywhere, and one of them overflows.
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@each(name for name in MODELS if name != CANCELS)
def test_what_comes_back_is_what_the_reference_computes(model: Packaged, tmp_path: Path) -> None:
    compared = agree_with_the_reference(model.path, model.feeds(), tmp_path, site=model.site)
    watched = onnx_ood.instrument(model.path, probes="all")
    # Of the results of one node the first is compared.
    assert compared > 0.9 * len(watched.outputs)


@each([CANCELS])
def test_what_comes_back_is_what_the_reference_computes_of_it(model: Packaged) -> None:
    compared = each_node_agrees_with_the_reference(model.path, model.feeds())
    assert compared == len(onnx_ood.instrument(model.path, probes="all").outputs)


def test_magika_still_knows_what_it_reads() -> None:
    """By the names that the package gives the classes."""
    model = MODELS[CANCELS]
    labels = json.loads((model.path.parent / "config.min.json").read_text())["target_labels_space"]
    values = run(onnx_ood.instrument(model.path, probes="all").model, model.feeds())
    assert [labels[i] for i in values["target_label"].argmax(axis=1)] == ["python", "json", "html"]


@each(MODELS)
def test_what_is_measured_is_what_numpy_says(model: Packaged) -> None:
    assert measured_like_numpy(model.path, model.feeds(), batch=model.batch, site=model.site) > 0


@each(MODELS)
def test_they_are_judged_by_default(model: Packaged, tmp_path: Path) -> None:
    """Whatever the model: a detector ranks, or a note says why none; with references it learns, or says why not."""
    feeds = model.feeds()
    rows = len(feeds[model.batch])
    repeated = {
        name: np.concatenate([value] * 6, axis=list(value.shape).index(rows))
        if rows > 1 and rows in np.shape(value)
        else value
        for name, value in feeds.items()
    }
    rng = np.random.default_rng(0)
    fed = repeated[model.batch]
    if fed.dtype.kind == "f":
        repeated[model.batch] = (fed + 1e-3 * rng.normal(size=fed.shape)).astype(fed.dtype)
    np.savez(tmp_path / "rows.npz", **repeated)
    inputs = [str(tmp_path / "rows.npz")]
    settings = onnx_ood.ScoreSettings(copies=2, site=model.site, batch_axis=0)
    result = onnx_ood.score(model.path, inputs, settings)
    assert result.status == "scored"
    assert result.detector_summary is not None or any("auto is not used" in note for note in result.notes)
    info = find_feature_sources(load(model.path)).info
    if len(repeated[model.batch]) < 10:
        with pytest.raises(UsageError, match="expected at least 10"):
            onnx_ood.score(model.path, inputs, settings, reference=inputs)
    elif info.layers or info.probabilities is not None:
        judged = onnx_ood.score(model.path, inputs, settings, reference=inputs)
        assert judged.detector_summary is not None
        # The same inputs are in-distribution.
        assert not judged.flagged
        assert all(entry.p_value > 1 / 13 for entry in judged.inputs)
    else:
        with pytest.raises(UsageError, match="does not apply"):
            onnx_ood.score(model.path, inputs, settings, reference=inputs)
