"""Severity curves, against AUROCs of pictures that are corrupted and scored by hand."""

from __future__ import annotations

import csv
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import small_models
from PIL import Image
from rich.console import Console
from scipy.special import softmax
from scipy.stats import mannwhitneyu

import onnx_ood
from onnx_ood import models
from onnx_ood.exceptions import UsageError
from onnx_ood.metrics.bootstrap import PairedResampling
from onnx_ood.perturb import apply, list_corruptions
from onnx_ood.reports.bench.terminal import print_bench
from onnx_ood.reports.formats.csv import bench_csv
from onnx_ood.reports.formats.latex import bench_latex
from onnx_ood.reports.formats.markdown_tables import bench_markdown
from onnx_ood.reports.report_options import ReportOptions

COUNT = 40
KINDS = ("fog", "patch_shuffle")


@pytest.fixture(scope="module")
def garments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    images, _ = models.fashion_samples()
    folder = tmp_path_factory.mktemp("garments")
    for i, image in enumerate(images[:COUNT]):
        Image.fromarray(image).save(folder / f"{i:02}.png")
    return folder


def _bench(folder: Path, *kinds: str, **options: object) -> onnx_ood.BenchResult:
    settings = onnx_ood.BenchSettings(
        corruptions=kinds, **{"detectors": ("msp", "energy"), "provider": "cpu", **options}
    )
    return onnx_ood.bench(models.path("fashion_cnn"), [str(folder)], None, settings)


@pytest.fixture(scope="module")
def result(garments: Path) -> onnx_ood.BenchResult:
    return _bench(garments, *KINDS)


def _msp(pictures: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(models.path("fashion_cnn"), providers=["CPUExecutionProvider"])
    logits = session.run(None, {session.get_inputs()[0].name: pictures[:, np.newaxis, :, :, 0]})[0]
    scores: np.ndarray = -softmax(logits.astype(np.float64), axis=1).max(axis=1)
    return scores


def test_curves_are_those_of_corrupted_pictures(garments: Path, result: onnx_ood.BenchResult) -> None:
    found = result.corruptions
    assert found is not None
    assert (found.inputs, found.corruptions, found.left_out) == (COUNT, KINDS, {})
    clean = np.stack([np.asarray(Image.open(path), np.float32) for path in sorted(garments.iterdir())])
    clean = clean[..., np.newaxis] / np.float32(255)
    usual = _msp(clean)
    msp = next(one for one in found.detectors if one.detector == "msp")
    for curve in msp.curves:
        for severity, area in enumerate(curve.aurocs, 1):
            number = (
                100
                * (1 + (*list_corruptions("standard"), *list_corruptions("overlay")).index(curve.corruption))
                + severity
            )
            # Pictures are read 32 at a time.
            parts = [
                apply(
                    curve.corruption,
                    severity,
                    clean[start : start + 32],
                    np.random.default_rng([0, number, start]),
                )
                for start in range(0, COUNT, 32)
            ]
            altered = _msp(np.concatenate(parts))
            expected = mannwhitneyu(altered, usual).statistic / COUNT**2
            # Reading the logits beside nothing else, the runtime may round otherwise, and turn single pairs.
            assert abs(area.value - expected) < 3 / COUNT**2
            assert area.low <= area.value <= area.high
    values = np.array([[area.value for area in curve.aurocs] for curve in msp.curves])
    np.testing.assert_allclose([one.value for one in msp.severities], values.mean(axis=0))
    np.testing.assert_allclose(msp.mean.value, values.mean())
    # Bounds of a mean are nearer to each other than those of what it is the mean of.
    assert msp.mean.high - msp.mean.low < max(
        area.high - area.low for curve in msp.curves for area in curve.aurocs
    )


def test_a_kind_has_the_same_draws_whatever_stands_beside_it(
    garments: Path, result: onnx_ood.BenchResult
) -> None:
    alone = _bench(garments, KINDS[1]).corruptions
    assert alone is not None
    assert result.corruptions is not None
    for one in alone.detectors:
        both = next(each for each in result.corruptions.detectors if each.detector == one.detector)
        assert one.curves == both.curves[1:]


def test_the_cache_gives_the_same_curves(
    garments: Path, result: onnx_ood.BenchResult, tmp_path: Path
) -> None:
    first = _bench(garments, *KINDS, cache=tmp_path)
    again = _bench(garments, *KINDS, cache=tmp_path)
    assert result.corruptions == first.corruptions == again.corruptions
    assert again.cache is not None
    assert again.cache.measured == 0


def test_all_are_the_standard_ones_and_overlays() -> None:
    assert onnx_ood.BenchSettings(corruptions=("all",)).chosen_corruptions == (
        *list_corruptions("standard"),
        *list_corruptions("overlay"),
    )
    assert onnx_ood.BenchSettings().chosen_corruptions == ()
    with pytest.raises(UsageError, match=r"unknown corruption 'mist'; choose all, or from gaussian_noise"):
        onnx_ood.BenchSettings(corruptions=("fog", "mist"))
    with pytest.raises(UsageError, match="named twice"):
        onnx_ood.BenchSettings(corruptions=("fog", "fog"))
    # Detectors learn from references that are posterized.
    with pytest.raises(UsageError, match="unknown corruption 'posterize'"):
        onnx_ood.BenchSettings(corruptions=("posterize",))


def _small(side: int, channels: int) -> str:
    return f"""
        small (float[N, {channels}, {side}, {side}] x) => (float[N, 3] logits) {{
            act = Relu (x)
            pooled = GlobalAveragePool (act)
            flat = Flatten (pooled)
            logits = Gemm <transB = 1> (flat, w)
        }}
    """


def test_what_pictures_cannot_take_is_said(save: Callable[..., Path], garments: Path, tmp_path: Path) -> None:
    settings = onnx_ood.BenchSettings(detectors=("msp",), corruptions=("fog",), provider="cpu")
    tiny = save(small_models.build(_small(6, 1), {"w": small_models.normal(3, 1)}))
    with pytest.raises(UsageError, match=r"no corruption applies: .*at least 8 x 8 pixels, found 6 x 6"):
        onnx_ood.bench(tiny, [str(garments)], None, settings)
    np.save(tmp_path / "rows.npy", np.zeros((12, 7), np.float32))
    rows = save(
        small_models.build(
            "rows (float[N, 7] x) => (float[N, 3] z) { z = Gemm <transB = 1> (x, w) }",
            {"w": small_models.normal(3, 7)},
        )
    )
    with pytest.raises(UsageError, match="corruptions take pictures"):
        onnx_ood.bench(rows, [str(tmp_path / "rows.npy")], {"same": [str(tmp_path / "rows.npy")]}, settings)


def test_kinds_that_are_left_out_are_named(garments: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def picky(kind: str, *how: object) -> np.ndarray:
        if kind == "text":
            raise UsageError("letters are too large")
        return apply(kind, *how)

    monkeypatch.setattr("onnx_ood.audits.bench.corruptions.apply", picky)
    found = _bench(garments, "text", "fog", limit=10)
    assert found.corruptions is not None
    assert (found.corruptions.corruptions, found.corruptions.left_out) == (
        ("fog",),
        {"text": "letters are too large"},
    )
    shown = Console(width=80, file=StringIO(), record=True)
    print_bench(shown, found)
    assert "- text: letters are too large" in shown.export_text()


def test_pictures_without_numbers_count_as_told(save: Callable[..., Path], tmp_path: Path) -> None:
    """A root of pixels less 0.3 is NaN where something dark covers a bright picture."""
    graph = """
        roots (float[N, 1, 12, 12] x) => (float[N, 3] logits) {
            moved = Sub (x, least)
            root = Sqrt (moved)
            act = Relu (root)
            pooled = GlobalAveragePool (act)
            flat = Flatten (pooled)
            logits = Gemm <transB = 1> (flat, w)
        }
    """
    model = small_models.build(graph, {"least": np.array(0.3, np.float32), "w": small_models.normal(3, 1)})
    rng = np.random.default_rng(0)
    for i in range(12):
        Image.fromarray(rng.integers(140, 256, (12, 12)).astype(np.uint8)).save(tmp_path / f"{i:02}.png")
    settings = onnx_ood.BenchSettings(detectors=("msp",), corruptions=("occlusion",), preprocess="unit,L")
    found = onnx_ood.bench(save(model), [str(tmp_path)], None, settings).corruptions
    assert found is not None
    assert any(note.startswith("The model gives NaN or infinity for") for note in found.notes)
    assert "of 12 pictures with occlusion 1" in found.notes[0]


def test_resamples_draw_a_picture_with_its_corruptions() -> None:
    """Against resamples that are drawn and counted one by one."""
    rng = np.random.default_rng(1)
    ordinary, altered = rng.normal(size=9).round(1), rng.normal(1, 1, (9, 2)).round(1)
    found = PairedResampling(9, 3, 50).aurocs(ordinary, altered)
    draws = np.random.default_rng(3).multinomial(9, np.full(9, 1 / 9), size=50)
    for row, counts in enumerate([np.ones(9, int), *draws]):
        which = np.repeat(np.arange(9), counts)
        for column in range(2):
            expected = mannwhitneyu(altered[which, column], ordinary[which]).statistic / 81
            assert abs(found[row, column] - expected) < 1e-12


def test_long_names_of_detectors_leave_room_for_figures(garments: Path) -> None:
    layer = "/layer3/layer3.1/relu2/Relu_output_0"
    found = _bench(garments, "fog", detectors=("msp", "energy"))
    assert found.corruptions is not None
    long = f"cosine_drop@{layer}"
    first = found.detectors[0].model_copy(update={"name": long})
    curves = found.corruptions.detectors[0].model_copy(update={"detector": long})
    corruptions = found.corruptions.model_copy(update={"detectors": (curves, found.corruptions.detectors[1])})
    shown = Console(width=80, file=StringIO(), record=True)
    renamed = {"detectors": (first, found.detectors[1]), "corruptions": corruptions}
    print_bench(shown, found.model_copy(update=renamed), ReportOptions(verbose=True))
    rows = [line for line in shown.export_text().splitlines() if line.startswith("cosine_drop@")]
    areas = [first.macro, *(one.auroc for one in first.metrics), *curves.severities]
    assert len(rows) >= 3
    for row in rows:
        name, *cells = row.split()
        assert name.endswith("_0")
        assert not any("…" in cell for cell in cells)
    text = " ".join(rows)
    assert all(f"{area.value:.2f}" in text for area in areas)


def test_tables_and_terminal_show_the_curves(result: onnx_ood.BenchResult) -> None:
    assert result.corruptions is not None
    best = result.corruptions.detectors[0]
    lines = {
        (line["detector"], line["set"], line["severity"]): line
        for line in csv.DictReader(StringIO(bench_csv(result)))
    }
    markdown, latex = bench_markdown(result), bench_latex(result)
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == 4
    shown = Console(width=80, file=StringIO(), record=True)
    print_bench(shown, result)
    text = shown.export_text()
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "…" not in text
    by_severity = text.partition("by corruption and severity")[2]
    for curve in best.curves:
        for severity, area in enumerate(curve.aurocs, 1):
            line = lines[best.detector, curve.corruption, str(severity)]
            assert (float(line["auroc"]), float(line["auroc_low"])) == (area.value, area.low)
        cells = " | ".join(f"{area.value:.3f}" for area in curve.aurocs)
        assert f"| `{curve.corruption}` | {cells} |" in markdown
        assert cells.replace("|", "&") in latex
        row = next(line for line in by_severity.splitlines() if line.startswith(curve.corruption))
        assert [cell.strip("()") for cell in row.split()[1:6]] == [
            f"{area.value:.2f}" for area in curve.aurocs
        ]
