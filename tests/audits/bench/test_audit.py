"""The bench audit, against scores and AUROCs computed by hand with onnxruntime."""

from __future__ import annotations

import csv
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import numpy as np
import onnx
import pytest
import small_models
from bench_folders import COUNT, read_batch
from PIL import Image
from printing import report_of
from scipy.stats import mannwhitneyu

import onnx_ood
from onnx_ood import models
from onnx_ood.exceptions import NotEvaluatedError, UsageError
from onnx_ood.perturb import draw
from onnx_ood.reports.bench.page import bench_page
from onnx_ood.reports.bench.terminal import print_bench
from onnx_ood.reports.formats.csv import bench_csv
from onnx_ood.reports.formats.markdown_tables import bench_markdown


def test_the_best_comes_first_and_sets_are_made(result: onnx_ood.BenchResult) -> None:
    values = [detector.macro.value for detector in result.detectors]
    assert values == sorted(values, reverse=True)
    assert result.detectors[0].gap_to_best.value == 0
    for detector in result.detectors[1:]:
        assert abs(detector.gap_to_best.value - (values[0] - detector.macro.value)) < 1e-12
    names = [one.name for one in result.sets]
    assert names[0] == "odd"
    assert {"uniform_noise", "gaussian_blur", "scribble"} <= set(names)
    assert all(one.synthetic == (one.name != "odd") for one in result.sets)
    assert all(one.inputs == COUNT for one in result.sets)
    assert result.status == "measured"
    assert result.id == COUNT


def test_the_same_seed_gives_the_same_result(
    folders: tuple[Path, Path], result: onnx_ood.BenchResult
) -> None:
    good, odd = folders
    again = onnx_ood.bench(
        models.path("fashion_cnn"),
        [str(good)],
        {"odd": [str(odd)]},
        onnx_ood.BenchSettings(detectors=("energy", "msp", "batch_norm"), provider="cpu", batch_size=7),
    )
    for one, other in zip(result.detectors, again.detectors, strict=True):
        assert one.name == other.name
        np.testing.assert_allclose(one.macro.value, other.macro.value, atol=2e-3)


def test_what_does_not_apply_is_said(folders: tuple[Path, Path], tmp_path: Path) -> None:
    good, _ = folders
    quick = onnx_ood.BenchSettings(provider="cpu", limit=12)
    found = onnx_ood.bench(models.path("fashion_resnet"), [str(good)], None, quick)
    assert "folded" in found.not_applicable["batch_norm"] or "fold" in found.not_applicable["batch_norm"]
    assert found.id == 12
    with pytest.raises(UsageError, match=r"batch_norm does not apply.*BatchNormalization"):
        onnx_ood.bench(
            models.path("fashion_resnet"),
            [str(good)],
            None,
            onnx_ood.BenchSettings(detectors=("batch_norm",)),
        )
    with pytest.raises(UsageError, match="unknown detector 'enregy'"):
        onnx_ood.bench(
            models.path("fashion_cnn"), [str(good)], None, onnx_ood.BenchSettings(detectors=("enregy",))
        )
    with pytest.raises(UsageError, match="no out-of-distribution set"):
        onnx_ood.bench(
            models.path("fashion_cnn"), [str(good)], None, onnx_ood.BenchSettings(synthetic_ood=False)
        )
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"not a picture")
    with pytest.raises(NotEvaluatedError, match="no in-distribution input"):
        onnx_ood.bench(
            models.path("fashion_cnn"), [str(broken)], None, onnx_ood.BenchSettings(provider="cpu")
        )


def test_ordinary_inputs_that_are_references_are_told(folders: tuple[Path, Path]) -> None:
    good, odd = folders
    settings = onnx_ood.BenchSettings(detectors=("energy",), synthetic_ood=False, provider="cpu")
    known = [str(good.parent / good.name / ".." / good.name / f"{i:02}.png") for i in range(12)]
    found = onnx_ood.bench(
        models.path("fashion_cnn"), [str(good)], {"odd": [str(odd)]}, settings, reference=known
    )
    assert sum("12 inputs are among the references" in note for note in found.notes) == 1
    apart = [str(good / f"{i:02}.png") for i in range(12, COUNT)]
    found = onnx_ood.bench(models.path("fashion_cnn"), apart, {"odd": [str(odd)]}, settings, reference=known)
    assert not any("among the references" in note for note in found.notes)


def test_too_few_inputs_are_not_evaluated(folders: tuple[Path, Path]) -> None:
    good, odd = folders
    settings = onnx_ood.BenchSettings(detectors=("energy",), synthetic_ood=False, limit=4, provider="cpu")
    found = onnx_ood.bench(models.path("fashion_cnn"), [str(good)], {"odd": [str(odd)]}, settings)
    assert found.status == "not_evaluated"


def test_inputs_that_give_nan_are_named(save: Callable[..., Path], tmp_path: Path) -> None:
    """A root of pixels less one half is NaN for dark pictures."""
    graph = """
        roots (float[N, 1, 12, 12] x) => (float[N, 3] logits) {
            moved = Sub (x, half)
            root = Sqrt (moved)
            act = Relu (root)
            pooled = GlobalAveragePool (act)
            flat = Flatten (pooled)
            logits = Gemm <transB = 1> (flat, w)
        }
    """
    model = small_models.build(graph, {"half": np.array(0.5, np.float32), "w": small_models.normal(3, 1)})
    rng = np.random.default_rng(0)
    for i in range(12):
        bright = rng.integers(140, 256, (12, 12)) if i else np.zeros((12, 12))
        Image.fromarray(bright.astype(np.uint8)).save(tmp_path / f"{i:02}.png")
    settings = onnx_ood.BenchSettings(
        detectors=("msp",), preprocess="unit,L,size=12", provider="cpu", synthetic_ood=False
    )
    files = [str(tmp_path)]
    found = onnx_ood.bench(save(model), files, {"same": files}, settings)
    assert found.id == 11
    assert [failure.id.endswith("00.png") for failure in found.failed] == [True]
    assert "NaN" in found.failed[0].reason
    assert [len(one.failed) for one in found.sets] == [1]
    # All noise has dark pixels; of what is made, that is left out which gives no numbers, and said.
    made = onnx_ood.bench(
        save(model), files, None, onnx_ood.BenchSettings(detectors=("msp",), preprocess="unit,L,size=12")
    )
    names = {one.name for one in made.sets}
    assert "uniform_noise" not in names
    assert "patch_shuffle" in names
    assert any("uniform_noise is left out" in note for note in made.notes)


def test_a_set_that_is_named_comes_before_one_that_is_made(folders: tuple[Path, Path]) -> None:
    good, odd = folders
    settings = onnx_ood.BenchSettings(detectors=("msp",), provider="cpu")
    found = onnx_ood.bench(models.path("fashion_cnn"), [str(good)], {"scribble": [str(odd)]}, settings)
    assert [one.synthetic for one in found.sets if one.name == "scribble"] == [False]
    assert any("scribble" in note for note in found.notes)
    plain = onnx_ood.bench(models.path("fashion_cnn"), [str(good)], {"odd": [str(odd)]}, settings)
    aurocs = [
        next(figure.auroc.value for figure in result.detectors[0].metrics if figure.set == name)
        for result, name in ((found, "scribble"), (plain, "odd"))
    ]
    assert aurocs[0] == aurocs[1]


def test_a_set_without_inputs_is_not_passed_over(folders: tuple[Path, Path], tmp_path: Path) -> None:
    good, _ = folders
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    settings = onnx_ood.BenchSettings(detectors=("msp",), provider="cpu")
    with pytest.raises(NotEvaluatedError, match="no input of odd could be measured"):
        onnx_ood.bench(models.path("fashion_cnn"), [str(good)], {"odd": [str(tmp_path)]}, settings)


def test_a_detector_at_one_probe_is_measured_beside_the_mean(folders: tuple[Path, Path]) -> None:
    good, odd = folders
    relus = [
        node.output[0] for node in onnx.load(models.path("fashion_cnn")).graph.node if node.op_type == "Relu"
    ]
    names = ("cosine_drop", f"cosine_drop@{relus[0]}", f"flip_rate@{relus[-1]}", "jacobian_norm")
    settings = onnx_ood.BenchSettings(detectors=names, provider="cpu", synthetic_ood=False)
    found = onnx_ood.bench(models.path("fashion_cnn"), [str(good)], {"odd": [str(odd)]}, settings)
    assert {one.name for one in found.detectors} == set(names)
    values = {one.name: one.macro.value for one in found.detectors}
    nudges = draw("gaussian", (1, 28, 28), 2, 0).astype(np.float32) * np.float32(0.02)
    measured = [
        onnx_ood.measure(
            models.path("fashion_cnn"), read_batch(folder), nudges=nudges, probes=relus, provider="cpu"
        )
        for folder in (good, odd)
    ]
    drops = [-one.cosine_drop().mean(axis=1)[:, 0] for one in measured]
    flips = [one.flip_rate().mean(axis=1)[:, -1] for one in measured]
    for name, (low, high) in {names[1]: drops, names[2]: flips}.items():
        expected = mannwhitneyu(high, low).statistic / (len(low) * len(high))
        assert abs(values[name] - expected) < 2e-3
    wrong = onnx_ood.BenchSettings(detectors=("distortion@nowhere",), provider="cpu")
    with pytest.raises(UsageError, match=rf"no probe 'nowhere'; choose from {relus[0]}, .*{relus[-1]}$"):
        onnx_ood.bench(models.path("fashion_cnn"), [str(good)], {"odd": [str(odd)]}, wrong)


def test_a_set_that_is_too_small_counts_in_no_mean(folders: tuple[Path, Path], tmp_path: Path) -> None:
    good, odd = folders
    few = sorted(map(str, odd.iterdir()))[:6]
    settings = onnx_ood.BenchSettings(detectors=("energy", "msp"), synthetic_ood=False, provider="cpu")
    found = onnx_ood.bench(models.path("fashion_cnn"), [str(good)], {"few": few, "odd": [str(odd)]}, settings)
    assert found.status == "not_evaluated"
    assert [one.name for one in found.evaluated_sets] == ["odd"]
    alone = onnx_ood.bench(models.path("fashion_cnn"), [str(good)], {"odd": [str(odd)]}, settings)
    aurocs = {one.name: one.metrics[0].auroc.value for one in alone.detectors}
    for one in found.detectors:
        assert [metrics.set for metrics in one.metrics] == ["few", "odd"]
        assert one.macro.value == one.metrics[1].auroc.value == aurocs[one.name]
    table = found.to_dataframe()
    assert dict(zip(table["set"], table["note"], strict=False)) == {"few": "6 inputs: too few", "odd": ""}
    lines = list(csv.DictReader(StringIO(bench_csv(found))))
    assert [line["note"] for line in lines[:3]] == ["", "6 inputs: too few", ""]
    assert "few (6 inputs: too few)" in bench_markdown(found)
    assert "few (6 inputs: too few)" in bench_page(found)


@pytest.mark.parametrize(
    ("detectors", "flagging"),
    [(("energy", "auto"), "energy"), (("mahalanobis", "energy"), "energy"), ((), "auto")],
    ids=["first", "first that can", "none named"],
)
def test_flags_are_those_of_a_detector_that_was_asked_for(
    folders: tuple[Path, Path], detectors: tuple[str, ...], flagging: str
) -> None:
    """Of 24 references, mahalanobis needs 12 to learn from; 12 to rank among are too few for a rate of 5%."""
    good, odd = folders
    files = sorted(map(str, good.iterdir()))
    inputs, known = files[24:], files[:24]
    settings = onnx_ood.BenchSettings(detectors=detectors, synthetic_ood=False, provider="cpu")
    found = onnx_ood.bench(models.path("fashion_cnn"), inputs, {"odd": [str(odd)]}, settings, reference=known)
    assert found.flags is not None
    assert found.flags.detector == flagging
    scored = onnx_ood.score(
        models.path("fashion_cnn"), [str(odd)], reference=known, detectors=flagging, provider="cpu"
    )
    assert scored.flagged is not None
    assert found.flags.sets == {"odd": scored.flagged / scored.scored}
    shown = " ".join(report_of(print_bench, found, 200))
    assert f"flagged by {flagging}" in " ".join(shown.split())
