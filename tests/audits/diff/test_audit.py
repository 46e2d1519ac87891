"""Comparing results: against scipy, and against what was changed on purpose."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from scipy import stats

import onnx_ood
from onnx_ood import models
from onnx_ood.audits.check.config import read_check_file
from onnx_ood.exceptions import UsageError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scores of a model and of one with a damaged layer, on inputs most of which are the same; and other results."""
    root = tmp_path_factory.mktemp("results")
    images, _ = models.fashion_samples()
    rows = (images[:60, np.newaxis] / 255).astype(np.float32)
    rng = np.random.default_rng(0)
    np.save(root / "rows.npy", rows)
    np.save(root / "good.npy", (images[60:110, np.newaxis] / 255).astype(np.float32))
    np.save(root / "noise.npy", rng.random(rows.shape, np.float32))
    damaged = onnx.load(models.path("fashion_cnn"))
    kernels = [one for one in damaged.graph.initializer if len(one.dims) == 4]
    last = numpy_helper.to_array(kernels[-1])
    noisy = last + 2 * last.std() * rng.standard_normal(last.shape).astype(np.float32)
    kernels[-1].CopyFrom(numpy_helper.from_array(noisy.astype(np.float32), kernels[-1].name))
    onnx.save(damaged, root / "damaged.onnx")
    paths = [str(root / "rows.npy")]
    for name, model, inputs in (
        ("a", models.path("fashion_cnn"), paths),
        ("b", root / "damaged.onnx", [*paths, str(root / "noise.npy")]),
    ):
        settings = onnx_ood.ScoreSettings(detectors=("auto", "energy"), preprocess="unit")
        result = onnx_ood.score(model, inputs, settings, reference=[str(root / "good.npy")])
        (root / f"{name}.json").write_text(result.model_dump_json(by_alias=True))
        bench = onnx_ood.bench(
            model,
            paths,
            {"noise": [str(root / "noise.npy")]},
            onnx_ood.BenchSettings(detectors=("energy", "gen"), synthetic_ood=False),
        )
        (root / f"bench-{name}.json").write_text(bench.model_dump_json(by_alias=True))
    return root


@pytest.fixture(scope="module")
def found(folder: Path) -> onnx_ood.DiffResult:
    return onnx_ood.diff(folder / "a.json", folder / "b.json")


def _stored(folder: Path, name: str) -> dict:
    return json.loads((folder / f"{name}.json").read_text())


def test_a_result_does_not_differ_from_itself(folder: Path) -> None:
    same = onnx_ood.diff(folder / "a.json", folder / "a.json")
    assert same.settings == ()
    assert same.figures
    assert {figure.change for figure in same.figures} == {0}
    assert not any(figure.beyond_noise for figure in same.figures)
    assert same.inputs is not None
    assert same.inputs.rank_correlation == pytest.approx(1)
    assert same.inputs.agreement is not None
    assert same.inputs.agreement.share == 1
    assert (same.inputs.newly_flagged, same.inputs.no_longer_flagged) == ((), ())


def test_the_model_is_what_was_different(found: onnx_ood.DiffResult) -> None:
    names = {one.name for one in found.settings}
    assert {"model.path", "model.sha256"} <= names
    assert all(name.startswith("model.") for name in names)


def test_figures_are_paired_over_the_inputs_of_both(folder: Path, found: onnx_ood.DiffResult) -> None:
    a, b = ({one["id"]: one for one in _stored(folder, name)["inputs"]} for name in "ab")
    ids = [name for name in a if name in b]
    assert len(ids) == 60
    figures = {figure.name: figure for figure in found.figures}
    for place, detector in enumerate(("auto", "energy")):
        before, after = ([rows[name]["scores"][place] for name in ids] for rows in (a, b))
        test = stats.ttest_rel(after, before).confidence_interval()
        figure = figures[f"score {detector}"]
        assert (figure.low, figure.high) == pytest.approx((test.low, test.high), rel=1e-6)
        assert (figure.a, figure.b) == pytest.approx((np.median(before), np.median(after)))
    probes = [probe["name"] for probe in _stored(folder, "a")["probes"]]
    before, after = (np.log10([rows[name]["drop"][-1] for name in ids]) for rows in (a, b))
    test = stats.ttest_rel(after, before).confidence_interval()
    figure = figures[f"drop {probes[-1]}"]
    assert (figure.low, figure.high) == pytest.approx((test.low, test.high), rel=1e-6)


def test_layers_before_the_damage_did_not_move(found: onnx_ood.DiffResult) -> None:
    drops = [figure for figure in found.figures if figure.name.startswith("drop ")]
    assert not drops[0].beyond_noise
    assert drops[-1].beyond_noise


def test_inputs_are_those_of_both(folder: Path, found: onnx_ood.DiffResult) -> None:
    a, b = ({one["id"]: one for one in _stored(folder, name)["inputs"]} for name in "ab")
    ids = [name for name in a if name in b]
    assert found.inputs is not None
    assert (found.inputs.both, found.inputs.only_a, found.inputs.only_b) == (60, 0, 60)
    expected = stats.spearmanr(*([rows[name]["scores"][0] for name in ids] for rows in (a, b))).statistic
    assert found.inputs.rank_correlation == pytest.approx(expected)
    same = sum(a[name]["prediction"]["index"] == b[name]["prediction"]["index"] for name in ids)
    interval = stats.binomtest(same, 60).proportion_ci(method="exact")
    agreement = found.inputs.agreement
    assert agreement is not None
    assert (agreement.share, agreement.low, agreement.high) == pytest.approx(
        (same / 60, interval.low, interval.high), rel=1e-6
    )
    newly = {name for name in ids if b[name]["flagged"] and not a[name]["flagged"]}
    assert set(found.inputs.newly_flagged) == newly
    moved = [
        abs(stats.rankdata([-a[name]["scores"][0] for name in ids])[i] - rank)
        for i, rank in enumerate(stats.rankdata([-b[name]["scores"][0] for name in ids]))
    ]
    first = found.inputs.changes[0]
    assert first.id == ids[int(np.argmax(moved))]
    assert abs(first.rank_a - first.rank_b) == max(moved)
    assert (first.score_a, first.score_b) == (a[first.id]["scores"][0], b[first.id]["scores"][0])


def test_classes_of_one_number_have_one_name(folder: Path, found: onnx_ood.DiffResult) -> None:
    a, b = ({one["id"]: one for one in _stored(folder, name)["inputs"]} for name in "ab")
    assert found.inputs is not None
    for one in found.inputs.changes:
        index_a, index_b = (rows[one.id]["prediction"]["index"] for rows in (a, b))
        # The damaged model has no card, so no names.
        assert b[one.id]["prediction"]["label"] is None
        assert one.prediction_a == a[one.id]["prediction"]["label"]
        assert (one.prediction_a == one.prediction_b) == (index_a == index_b)


def test_aurocs_are_compared_with_their_intervals(folder: Path) -> None:
    compared = onnx_ood.diff(folder / "bench-a.json", folder / "bench-b.json")
    a, b = ({one["name"]: one for one in _stored(folder, f"bench-{name}")["detectors"]} for name in "ab")
    figures = {figure.name: figure for figure in compared.figures}
    for detector in ("energy", "gen"):
        one, other = a[detector]["macro"], b[detector]["macro"]
        figure = figures[f"AUROC {detector}, mean"]
        assert figure.change == pytest.approx(other["value"] - one["value"])
        wide = np.sqrt((other["high"] - other["value"]) ** 2 + (one["value"] - one["low"]) ** 2)
        assert figure.high == pytest.approx(figure.change + wide)
    assert len(figures) == 4


@pytest.fixture(scope="module")
def sensitivities(folder: Path) -> Path:
    """Sensitivities of the good model, of both, and of the damaged one; and of the good one on one input."""
    rows = str(folder / "rows.npy")
    np.save(folder / "one.npy", np.load(folder / "rows.npy")[:1])
    good, damaged = models.path("fashion_cnn"), folder / "damaged.onnx"
    settings = onnx_ood.SensitivitySettings(directions=2, trajectories=2, tolerance=0.1, preprocess="unit")
    for name, paths, inputs in (
        ("good", [good], rows),
        ("both", [damaged, good], rows),
        ("bad", [damaged], rows),
        ("one", [good], str(folder / "one.npy")),
    ):
        result = onnx_ood.sensitivity(paths, [inputs], settings)
        (folder / f"sens-{name}.json").write_text(result.model_dump_json(by_alias=True))
    return folder


def _estimates(folder: Path, name: str, path: Path) -> dict[str, dict]:
    """Estimates of one model by the names that differences have."""
    (model,) = [
        one for one in _stored(folder, f"sens-{name}")["models"] if one["model"]["path"] == path.as_posix()
    ]
    kinds = {f"transitions, {kind['kind']}": kind["density"] for kind in model["kinds"]}
    return {"Jacobian norm": model["jacobian"]["norm"], **kinds}


def test_sensitivities_of_two_models_are_compared_with_their_intervals(sensitivities: Path) -> None:
    compared = onnx_ood.diff(sensitivities / "sens-good.json", sensitivities / "sens-bad.json")
    good, bad = models.path("fashion_cnn"), sensitivities / "damaged.onnx"
    before, after = _estimates(sensitivities, "good", good), _estimates(sensitivities, "bad", bad)
    pair = f"{good.as_posix()} / {bad.as_posix()}"
    assert {figure.name for figure in compared.figures} == {
        f"{name}, {pair}" for name in before.keys() & after.keys()
    }
    assert len(compared.figures) > 2
    for figure in compared.figures:
        a, b = before[figure.name.removesuffix(f", {pair}")], after[figure.name.removesuffix(f", {pair}")]
        assert (figure.a, figure.b) == (a["mean"], b["mean"])
        assert figure.change == pytest.approx(b["mean"] - a["mean"])
        down = np.hypot(b["mean"] - b["low"], a["high"] - a["mean"])
        up = np.hypot(b["high"] - b["mean"], a["mean"] - a["low"])
        assert figure.low == pytest.approx(figure.change - down)
        assert figure.high == pytest.approx(figure.change + up)
    changed = {one.name: (one.a, one.b) for one in compared.settings}
    assert changed[f"models.{pair}.model.path"] == (good.as_posix(), bad.as_posix())
    assert not any("Not compared" in note for note in compared.notes)


def test_models_are_paired_by_their_paths(sensitivities: Path) -> None:
    compared = onnx_ood.diff(sensitivities / "sens-good.json", sensitivities / "sens-both.json")
    path = models.path("fashion_cnn").as_posix()
    assert compared.figures
    assert {figure.name.rpartition(", ")[2] for figure in compared.figures} == {path}
    assert {figure.change for figure in compared.figures} == {0}
    assert compared.settings == ()
    (note,) = [note for note in compared.notes if "Not compared" in note]
    assert note.endswith(f": {(sensitivities / 'damaged.onnx').as_posix()}.")


def test_a_mean_of_one_has_no_noise_to_judge_by(sensitivities: Path) -> None:
    compared = onnx_ood.diff(sensitivities / "sens-good.json", sensitivities / "sens-one.json")
    (norm,) = [figure for figure in compared.figures if figure.name.startswith("Jacobian norm")]
    a, b = (_estimates(sensitivities, name, models.path("fashion_cnn")) for name in ("good", "one"))
    assert norm.change == pytest.approx(b["Jacobian norm"]["mean"] - a["Jacobian norm"]["mean"])
    assert (norm.low, norm.high, norm.beyond_noise) == (None, None, None)


def test_what_only_one_result_has_is_named(folder: Path) -> None:
    rows, noise = str(folder / "rows.npy"), {"noise": [str(folder / "noise.npy")]}
    settings = onnx_ood.BenchSettings(detectors=("energy", "msp"), synthetic_ood=False)
    other = onnx_ood.bench(models.path("fashion_cnn"), [rows], {"static": noise["noise"]}, settings)
    (folder / "bench-c.json").write_text(other.model_dump_json(by_alias=True))
    compared = onnx_ood.diff(folder / "bench-a.json", folder / "bench-c.json")
    assert [figure.name for figure in compared.figures] == ["AUROC energy, mean"]
    (note,) = [note for note in compared.notes if "Not compared" in note]
    assert set(note.rpartition(": ")[2].rstrip(".").split(", ")) == {"gen", "msp", "noise", "static"}
    fewer = onnx_ood.ScoreSettings(detectors=("energy",), probes=("outputs",), preprocess="unit")
    short = onnx_ood.score(models.path("fashion_cnn"), [rows], fewer)
    (folder / "short.json").write_text(short.model_dump_json(by_alias=True))
    compared = onnx_ood.diff(folder / "a.json", folder / "short.json")
    (note,) = [note for note in compared.notes if "Not compared" in note]
    stored = _stored(folder, "a")
    lacking = {"auto"} | {probe["name"] for probe in stored["probes"]} ^ {short.probes[0].name}
    assert set(note.rpartition(": ")[2].rstrip(".").split(", ")) == lacking


def test_the_result_follows_its_schema(found: onnx_ood.DiffResult, schema) -> None:
    jsonschema.validate(json.loads(found.model_dump_json(by_alias=True)), schema("diff"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("not json", "not a result of onnx-ood"),
        ("[1]", "not a result of onnx-ood"),
        ('{"schema": "onnx-ood/score/99"}', "this version reads"),
        ('{"schema": "onnx-ood/score/1"}', "does not match onnx-ood/score/1 at status"),
        (None, "cannot be read"),
    ],
)
def test_what_is_no_result_is_said_in_one_line(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "x.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UsageError, match=message) as error:
        onnx_ood.read_result(path)
    assert "\n" not in str(error.value)


def test_different_kinds_are_not_compared(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"onnx-ood/score/1 and onnx-ood/bench/1"):
        onnx_ood.diff(folder / "a.json", folder / "bench-a.json")


def _checked(root: Path, name: str, model: str, gates: list[str]) -> Path:
    tables = "".join(f"\n[[gates]]\n{gate}\n" for gate in gates)
    (root / "gates.toml").write_text(
        f"[models.net]\npath = '{model}'\ninputs = 'rows.npy'\nprovider = 'cpu'\npreprocess = 'unit'{tables}"
    )
    result = onnx_ood.check(read_check_file(root / "gates.toml")).result
    (root / name).write_text(result.model_dump_json(by_alias=True))
    return root / name


def test_of_checks_the_gates_that_end_otherwise_are_told(folder: Path, schema) -> None:
    flips = 'figure = "flip-rate"\nof = "op:Relu[-1]"'
    shared = ['figure = "size"\nat-least = 1', 'figure = "operators"\nnone-of = "Loop"']
    a = _checked(
        folder,
        "check-a.json",
        str(models.path("fashion_cnn")),
        [*shared, f"{flips}\nat-least = 0.001", 'figure = "opset"\nat-least = 1'],
    )
    b = _checked(
        folder,
        "check-b.json",
        "damaged.onnx",
        [*shared, f"{flips}\nat-least = 1", 'figure = "nan-weights"\nat-most = 0'],
    )
    before, after = (
        {gate["title"]: gate for gate in json.loads(path.read_text())["gates"]} for path in (a, b)
    )
    title = "flip-rate of op:Relu[-1]"
    assert (before[title]["outcome"], after[title]["outcome"]) == ("passed", "failed")
    found = onnx_ood.diff(a, b)
    jsonschema.validate(json.loads(found.model_dump_json(by_alias=True)), schema("diff"))
    assert found.kind == "check"
    assert {(one.title, one.a, one.b) for one in found.gates} == {
        (title, "passed", "failed"),
        ("opset", "passed", None),
        ("nan-weights", None, "passed"),
    }
    assert next(one.reason for one in found.gates if one.title == title) == after[title]["reason"]
    names = {one.name: (one.a, one.b) for one in found.settings}
    assert names.pop(f"expected.{title}, net") == ("at least 0.001", "at least 1")
    assert all(name.startswith("models.net.") for name in names)
    assert "models.net.sha256" in names
    figures = {one.name: one for one in found.figures}
    assert figures.keys() == {f"{title}, net", "size, net"}
    moved = figures[f"{title}, net"]
    one, other = before[title], after[title]
    assert moved.change == pytest.approx(other["found"] - one["found"])
    # Zou and Donner's limits of a difference, from the intervals.
    down = np.sqrt((other["found"] - other["low"]) ** 2 + (one["high"] - one["found"]) ** 2)
    assert moved.low == pytest.approx(moved.change - down)
    up = np.sqrt((other["high"] - other["found"]) ** 2 + (one["found"] - one["low"]) ** 2)
    assert moved.high == pytest.approx(moved.change + up)
    # A size has no noise: one byte less is less.
    size = figures["size, net"]
    assert size.beyond_noise == (after["size"]["found"] != before["size"]["found"])
    assert (size.low, size.high) == (size.change, size.change)
    same = onnx_ood.diff(a, a)
    assert (same.gates, same.settings) == ((), ())
    assert not any(one.beyond_noise for one in same.figures)
    with pytest.raises(UsageError, match="onnx-ood/check/2 and onnx-ood/score/1"):
        onnx_ood.diff(a, folder / "a.json")
