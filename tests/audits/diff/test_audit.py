"""The diff audit: results of one audit, from files and from memory."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from check_results import check_result, gate_result
from stored_results import read_json

import onnx_ood
from onnx_ood import models
from onnx_ood.audits.diff.audit import _FACTS
from onnx_ood.exceptions import UsageError
from onnx_ood.results.registry import result_type


def test_a_result_does_not_differ_from_itself(folder: Path) -> None:
    same = onnx_ood.diff(folder / "a.json", folder / "a.json")
    assert same.settings == ()
    assert same.metrics
    assert {metric.change for metric in same.metrics} == {0}
    assert not any(metric.beyond_noise for metric in same.metrics)
    assert same.inputs is not None
    assert same.inputs.rank_correlation == pytest.approx(1)
    assert same.inputs.agreement is not None
    assert same.inputs.agreement.share == 1
    assert (same.inputs.newly_flagged, same.inputs.no_longer_flagged) == ((), ())


def test_the_model_is_what_was_different(found: onnx_ood.DiffResult) -> None:
    names = {one.name for one in found.settings}
    assert {"model.path", "model.sha256"} <= names
    assert all(name.startswith("model.") for name in names)


def test_what_only_one_result_has_is_named(folder: Path) -> None:
    rows, noise = str(folder / "rows.npy"), {"noise": [str(folder / "noise.npy")]}
    settings = onnx_ood.BenchSettings(detectors=("energy", "msp"), synthetic_ood=False)
    other = onnx_ood.bench(models.path("fashion_cnn"), [rows], {"static": noise["noise"]}, settings)
    (folder / "bench-c.json").write_text(other.model_dump_json(by_alias=True))
    compared = onnx_ood.diff(folder / "bench-a.json", folder / "bench-c.json")
    assert [metric.name for metric in compared.metrics] == ["AUROC energy, mean"]
    (note,) = [note for note in compared.notes if "Not compared" in note]
    assert set(note.rpartition(": ")[2].rstrip(".").split(", ")) == {"gen", "msp", "noise", "static"}
    fewer = onnx_ood.ScoreSettings(detectors=("energy",), probes=("outputs",), preprocess="unit")
    short = onnx_ood.score(models.path("fashion_cnn"), [rows], fewer)
    (folder / "short.json").write_text(short.model_dump_json(by_alias=True))
    compared = onnx_ood.diff(folder / "a.json", folder / "short.json")
    (note,) = [note for note in compared.notes if "Not compared" in note]
    stored = read_json(folder, "a")
    lacking = {"auto"} | {probe["name"] for probe in stored["probes"]} ^ {short.probes[0].name}
    assert compared.status == "compared"
    assert set(note.rpartition(": ")[2].rstrip(".").split(", ")) == lacking


def test_benches_without_shared_detectors_are_not_evaluated(folder: Path) -> None:
    bench = onnx_ood.read_result(folder / "bench-a.json")
    assert isinstance(bench, onnx_ood.BenchResult)
    renamed = tuple(one.model_copy(update={"name": f"my_{one.name}"}) for one in bench.detectors)
    assert onnx_ood.diff(bench, bench).status == "compared"
    assert onnx_ood.diff(bench, bench.model_copy(update={"detectors": renamed})).status == "not_evaluated"


def test_detectors_with_other_terms_are_noted() -> None:
    full, lacking = (
        gate_result("passed").model_copy(update={"terms": terms})
        for terms in (("activity", "uncertainty"), ("activity",))
    )
    found = onnx_ood.diff(check_result(full), check_result(lacking))
    assert found.notes[0] == (
        "auroc of auto, one: values of another detector: its terms were activity, uncertainty, now activity."
    )
    assert not any("another" in one for one in onnx_ood.diff(check_result(full), check_result(full)).notes)


def test_benches_of_other_terms_are_noted(folder: Path) -> None:
    bench = onnx_ood.read_result(folder / "bench-a.json")
    assert isinstance(bench, onnx_ood.BenchResult)
    one, lacking = (
        bench.model_copy(
            update={
                "detectors": tuple(found.model_copy(update={"terms": terms}) for found in bench.detectors)
            }
        )
        for terms in (("activity", "above_baseline"), ("activity",))
    )
    names = [found.name for found in bench.detectors]
    assert onnx_ood.diff(one, lacking).notes[: len(names)] == tuple(
        f"AUROCs of {name} are of another detector: its terms were activity, above baseline, now activity."
        for name in names
    )


def test_the_result_follows_its_schema(found: onnx_ood.DiffResult, schema) -> None:
    jsonschema.validate(json.loads(found.model_dump_json(by_alias=True)), schema("diff"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("not json", "not a result of onnx-ood"),
        ("[1]", "not a result of onnx-ood"),
        ('{"schema": "onnx-ood/score/99"}', "is not one of this version"),
        ('{"schema": "onnx-ood/score/3"}', "does not follow onnx-ood/score/3 at status"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_is_no_result_is_named_in_one_line(
    tmp_path: Path, content: str | None, message: str
) -> None:
    path = tmp_path / "x.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UsageError, match=message) as error:
        onnx_ood.read_result(path)
    assert "\n" not in str(error.value)


def test_different_kinds_are_not_compared(folder: Path) -> None:
    with pytest.raises(
        UsageError,
        match=r"cannot compare .*a\.json \(onnx-ood/score/3\) with .*bench-a\.json \(onnx-ood/bench/2\)",
    ):
        onnx_ood.diff(folder / "a.json", folder / "bench-a.json")


def test_results_in_memory_are_compared_like_their_files(folder: Path, found: onnx_ood.DiffResult) -> None:
    a, b = (onnx_ood.read_result(folder / f"{name}.json") for name in "ab")
    for pair in ((a, b), (a, folder / "b.json"), (str(folder / "a.json"), b)):
        result = onnx_ood.diff(*pair)
        files = [
            "" if one in (a, b) else (folder / f"{name}.json").as_posix()
            for one, name in zip(pair, "ab", strict=True)
        ]
        assert (result.a, result.b) == tuple(files)
        assert result.model_copy(update={"a": found.a, "b": found.b}) == found
    with pytest.raises(
        UsageError, match=r"cannot compare a \(onnx-ood/score/\d\) with b \(onnx-ood/bench/\d\)"
    ):
        onnx_ood.diff(a, onnx_ood.read_result(folder / "bench-a.json"))


@pytest.mark.parametrize("audit", sorted(_FACTS))
def test_compared_facts_are_fields_of_the_result(audit: str) -> None:
    """A name that is no field would compare nothing."""
    assert set(_FACTS[audit]) <= set(result_type(audit).model_fields)
