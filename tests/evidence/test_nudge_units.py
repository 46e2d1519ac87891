"""Units of nudges: a table in other units is the same table, and steps of quantized models are crossed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import small_models

import onnx_ood
from onnx_ood.detectors import find_detector, list_detectors
from onnx_ood.evidence.nudge_units import UNITS_DIFFER, NudgeUnit, feature_spread, spread_notes, unit_notes
from onnx_ood.evidence.perturbed import COPIES
from onnx_ood.evidence.prepared_model import prepare_model
from onnx_ood.evidence.reader import FeatureReader
from onnx_ood.exceptions import UsageError
from onnx_ood.graph import load
from onnx_ood.inputs import open_inputs
from onnx_ood.perturb import draw

Save = Callable[..., Path]

# Powers of two: dividing by them is exact.
UNITS = np.array([2.0**-6, 1, 2**10, 8, 2, 0.25], np.float32)
TEXT = "table (float[N, 6] x) => (float[N, 4] y) { h = MatMul (x, w) r = Relu (h) g = MatMul (r, v) y = Softmax (g) }"
WEIGHTS = {"w": small_models.normal(6, 16), "v": small_models.normal(16, 4, seed=1)}
NUDGED = [name for name in list_detectors() if {*find_detector(name).needs} & {"pairs", "smooth", "ring"}]


def models(save: Save) -> tuple[Path, Path]:
    """A model of standardised features, and the same for features in other units."""
    plain = save(small_models.build(TEXT, WEIGHTS))
    return plain, save(small_models.build(TEXT, WEIGHTS | {"w": WEIGHTS["w"] / UNITS[:, np.newaxis]}))


def rows(count: int, seed: int) -> np.ndarray:
    """Features with a standard deviation of exactly 1 over the rows."""
    drawn = np.random.default_rng(seed).normal(size=(count, 6))
    return (drawn / drawn.std(axis=0, ddof=1)).astype(np.float32)


def test_the_spread_is_the_unit_of_all_nudged_features(save: Save) -> None:
    plain, other = models(save)
    batch = rows(70, 2)
    needs = ("pairs", "smooth", "ring")
    expected = FeatureReader(load(plain), needs, provider="cpu").read(batch)
    found = FeatureReader(load(other), needs, provider="cpu", spread=UNITS.astype(np.float64)).read(
        batch * UNITS
    )
    for name in ("drops", "flips", "distortions", "smooth_drops", "transitions"):
        np.testing.assert_allclose(getattr(found, name)[:, -1], getattr(expected, name)[:, -1], rtol=1e-5)
    assert (expected.flips[:, -1] > 0).any()


@pytest.mark.parametrize("given", [True, False])
def test_scores_of_a_table_do_not_depend_on_its_units(given: bool, save: Save) -> None:
    """The same holds for detectors in `score` and in `bench`, with references or without."""
    plain, other = models(save)
    known, batch = rows(60, 3), rows(40, 4)
    spread = feature_spread(prepare_model(other, open_inputs(known * UNITS)), open_inputs(known * UNITS))
    np.testing.assert_allclose(spread, UNITS, rtol=1e-6)
    names = [name for name in NUDGED if given or not find_detector(name).requires_reference(_info(plain))]
    assert names
    for detector in names:
        settings = onnx_ood.ScoreSettings(detectors=(detector,), provider="cpu", cache=False, copies=2)
        results = [
            onnx_ood.score(path, values[0], settings, reference=values[1] if given else None)
            for path, values in ((plain, (batch, known)), (other, (batch * UNITS, known * UNITS)))
        ]
        first, second = ({entry.id: entry.scores[0] for entry in one.inputs} for one in results)
        assert second == pytest.approx(first, rel=2e-3)
        # The distortions of the layers in `score`, too.
        first, second = ({entry.id: entry.distortion for entry in one.inputs} for one in results)
        for name, values in first.items():
            assert second[name] == pytest.approx(values, rel=2e-3)
        assert [one.nudges.space for one in results] == ["tensor", "feature"]


def _info(path: Path):
    from onnx_ood.detectors import find_feature_sources

    return find_feature_sources(load(path)).info


def test_a_table_in_other_units_has_the_same_scores_and_flags(save: Save, tmp_path: Path) -> None:
    """Columns are scaled and shifted, which the first layer undoes; in `score`, saved auditors and `bench`."""
    text = TEXT.replace("MatMul (x, w)", "Gemm (x, w, b)")
    weights = WEIGHTS | {"b": small_models.normal(16, seed=2)}
    shift = np.array([3, -2, 4096, 0, 16, 1], np.float32)
    scaled = weights["w"] / UNITS[:, np.newaxis]
    moved = {"w": scaled, "b": weights["b"] - shift @ scaled}
    plain = save(small_models.build(text, weights))
    other = save(small_models.build(text, weights | moved))
    known, good, bad = rows(60, 3), rows(40, 4), rows(20, 5) * 3
    settings = {"detectors": ("auto", "activity"), "provider": "cpu", "cache": False}
    found = []
    for path, unit, zero in ((plain, 1, 0), (other, UNITS, shift)):
        references, usual, unusual = (one * unit + zero for one in (known, good, bad))
        batch = np.concatenate([usual, unusual])
        alone = onnx_ood.score(path, batch, reference=references, **settings)
        onnx_ood.fit(path, references, **settings).save(tmp_path / "auditor.npz")
        stored = onnx_ood.Auditor.load(tmp_path / "auditor.npz").score(batch)
        assert [one.scores for one in stored.inputs] == [one.scores for one in alone.inputs]
        bench = onnx_ood.bench(path, usual, {"far": unusual}, reference=references, **settings)
        found.append((alone, bench))
    (first, first_bench), (second, second_bench) = found
    assert 0 < first.flagged < len(first.inputs)
    assert [(one.id, one.flagged) for one in second.inputs] == [(one.id, one.flagged) for one in first.inputs]
    for one, same in zip(first.inputs, second.inputs, strict=True):
        assert same.scores == pytest.approx(one.scores, rel=2e-3, abs=2e-3)
    for one, same in zip(first_bench.detectors, second_bench.detectors, strict=True):
        assert [result.auroc for result in same.metrics] == [result.auroc for result in one.metrics]


@pytest.mark.parametrize(("shape", "counts"), [((6,), False), ((1, 6), True)])
def test_rows_of_features_are_no_layer(shape: tuple[int, ...], counts: bool, save: Save) -> None:
    """Inputs of other shapes are, as their values have one unit."""
    text = TEXT.replace("float[N, 6]", f"float[{', '.join(map(str, ('N', *shape)))}]")
    reader = FeatureReader(load(save(small_models.build(text, WEIGHTS))), ("activity",), provider="cpu")
    assert reader.profiled == (("x", "r") if counts else ("r",))


def test_a_stored_auditor_keeps_the_spread(save: Save, tmp_path: Path) -> None:
    _, other = models(save)
    auditor = onnx_ood.fit(other, rows(40, 3) * UNITS, detectors="cosine_drop", provider="cpu", cache=False)
    batch = rows(12, 4) * UNITS
    before = auditor.score(batch)
    auditor.save(tmp_path / "a.onnx-ood")
    after = onnx_ood.Auditor.load(tmp_path / "a.onnx-ood").score(batch)
    assert [entry.scores for entry in after.inputs] == [entry.scores for entry in before.inputs]
    alone = onnx_ood.score(
        other, batch, reference=rows(40, 3) * UNITS, detectors="cosine_drop", provider="cpu"
    )
    assert [entry.scores for entry in alone.inputs] == [entry.scores for entry in before.inputs]


def test_nudges_of_a_quantized_model_cross_its_steps(save: Save) -> None:
    """The drops are those of nudges of one step, by numpy; smaller ones would change nothing."""
    text = """
        quantized (float[N, 6] x) => (float[N, 16] r) {
            q = QuantizeLinear (x, step, zero) d = DequantizeLinear (q, step, zero) h = MatMul (d, w) r = Relu (h)
        }"""
    step = 0.5
    weights = {"w": WEIGHTS["w"], "step": np.float32(step), "zero": np.int8(0)}
    path = save(small_models.build(text, weights))
    batch = small_models.normal(5, 6, seed=9)
    found = FeatureReader(load(path), ("pairs",), provider="cpu").read(batch)

    def layer(values: np.ndarray) -> np.ndarray:
        rounded = np.clip(np.rint(values / step), -128, 127) * step
        return np.maximum(rounded.astype(np.float64) @ weights["w"].astype(np.float64), 0)

    clean = layer(batch)
    drops = np.zeros(len(batch))
    for noise in draw("gaussian", (6,), COPIES, 0):
        nudged = layer(batch + (noise * step).astype(np.float32))
        cosine = (clean * nudged).sum(1) / np.linalg.norm(clean, axis=1) / np.linalg.norm(nudged, axis=1)
        drops += (1 - cosine) / COPIES
    np.testing.assert_allclose(found.drops[:, -1], drops, rtol=1e-4)
    assert (drops > 1e-3).all()


def test_a_step_enlarges_all_channels_alike() -> None:
    gain = np.array([4.0, 8.0])
    np.testing.assert_array_equal(NudgeUnit(0.5, gain).with_step(1.0).of(np.ones(2)), [2, 4])
    np.testing.assert_array_equal(NudgeUnit(0.5, gain).with_step(4.0).of(np.ones(2)), [4, 8])
    assert NudgeUnit(0.5).with_spread(None, None) == NudgeUnit(0.5)


def test_features_of_different_spread_are_noted_where_numbers_depend_on_units(save: Save) -> None:
    assert unit_notes(None) == unit_notes(np.array([0.0, 5.0])) == unit_notes(np.array([1.0, 2.0])) == []
    assert "by a factor of 2.5: Jacobian norms" in unit_notes(np.array([2.0, 0.0, 5.0]))[0]
    assert "by a factor of 12,000: " in unit_notes(np.array([1.0, 12_345.0]))[0]
    # Spreads over three inputs differ by chance.
    assert unit_notes(np.array([1.0, 9.0]), inputs=3) == []
    assert "by a factor of 11: " in unit_notes(np.array([1.0, 11.0]), inputs=3)[0]
    _, other = models(save)
    known, batch = rows(20, 3) * UNITS, rows(12, 4) * UNITS
    settings = {"detectors": ("jacobian_norm",), "provider": "cpu", "cache": False}
    noted = (
        onnx_ood.sensitivity(other, batch, directions=2, trajectories=0, provider="cpu").models[0].notes,
        onnx_ood.plane(other, batch[:3], resolution=11, directions=0, provider="cpu").notes,
        onnx_ood.score(other, batch, reference=known, **settings).notes,
        onnx_ood.bench(other, batch, {"far": batch * 3}, reference=known, **settings).notes,
    )
    for notes in noted:
        assert sum(note.startswith(UNITS_DIFFER) for note in notes) == 1
        assert not any("scaled" in note for note in notes)  # no nudge is


def test_the_unit_of_a_table_is_noted() -> None:
    assert spread_notes(None, given=True) == []
    assert "over the references" in spread_notes(UNITS, given=True)[0]
    assert "over the inputs" in spread_notes(UNITS, given=False)[0]
    (note,) = spread_notes(np.arange(9.0), given=False, columns=["a", "b\x1b", *"cdefghi"])
    assert note.endswith(r"over the inputs: a 0, b\x1b 1, c 2, d 3, e 4, f 5, g 6, h 7 and 1 more.")


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_features_are_named_as_the_columns_of_their_table(kind: str, save: Save, tmp_path: Path) -> None:
    _, other = models(save)
    names = ["age", "height", "income", "size", "rooms", "tax"]
    frame = pd.DataFrame(rows(20, 3) * UNITS, columns=names)
    path = tmp_path / f"table.{kind}"
    frame.to_csv(path, index=False) if kind == "csv" else frame.to_parquet(path)
    result = onnx_ood.score(other, path, detectors="deviation", provider="cpu", cache=False)
    listed = ", ".join(f"{name} {size:.3g}" for name, size in zip(names, UNITS.tolist(), strict=True))
    assert any(f"over the inputs: {listed}." in note for note in result.notes)


def test_the_jacobian_of_a_quantized_model_is_over_its_steps(save: Save) -> None:
    """Its fitted detector would learn from zeros: the default step is far below that of the model."""
    text = """quantized (float[N, 6] x) => (float[N, 16] r) {
        q = QuantizeLinear (x, step, zero) d = DequantizeLinear (q, step, zero) h = MatMul (d, w) r = Relu (h) }"""
    plain = "plain (float[N, 6] x) => (float[N, 16] r) { h = MatMul (x, w) r = Relu (h) }"
    weights = {"w": WEIGHTS["w"], "step": np.float32(0.01), "zero": np.int8(0)}
    batch = small_models.normal(40, 6, seed=9, scale=0.3)
    expected, found = (
        FeatureReader(load(save(small_models.build(one, weights))), ("jacobian",), provider="cpu")
        .read(batch)
        .jacobian
        for one in (plain, text)
    )
    np.testing.assert_allclose(np.mean(found), np.mean(expected), rtol=0.2)


def test_nudges_too_large_for_float32_are_refused(save: Save) -> None:
    plain, _ = models(save)
    largest = float(np.finfo(np.float32).max)
    assert NudgeUnit(largest).nudges(np.ones(2))[0] == np.finfo(np.float32).max
    with pytest.raises(UsageError, match=r"nudges of scale 1e\+38 are too large for float32"):
        NudgeUnit(1e38).nudges(np.full(2, 4.0))
    with pytest.raises(UsageError, match="too large for float32"):
        onnx_ood.score(plain, rows(12, 3), scale=1e38, copies=64, provider="cpu", cache=False)
