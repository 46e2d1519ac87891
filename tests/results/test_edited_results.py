"""Reading of stored results: what was edited by hand is shown, or refused in one line."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from stored_results import STORED

import onnx_ood
from onnx_ood import _rendering
from onnx_ood.exceptions import OnnxOodError, UsageError
from onnx_ood.reports.registry import result_picture, result_text
from onnx_ood.reports.report_options import ReportOptions
from onnx_ood.results.base import Result

NAMES = sorted(path.stem for path in STORED.glob("*.json"))
MUTATIONS = 15
EVERYTHING = ReportOptions(verbose=True, everything=True)


def read(name: str) -> Any:
    return json.loads((STORED / f"{name}.json").read_text())


def places(value: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Places of all values; of lists the first two entries."""
    yield place
    inner = (
        value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    )
    for key, one in inner:
        yield from places(one, (*place, key))


def changed(value: Any) -> Iterator[Any]:
    yield from (None, "text", "", [], {}, -3, 0, 0.5, True, 1e300, 10**30, float("nan"), float("inf"))
    if isinstance(value, list) and value:
        yield from (value[:-1], [*value, value[-1]])
    if isinstance(value, dict) and value:
        yield dict(list(value.items())[1:])


def at(data: Any, place: tuple[str | int, ...]) -> Any:
    for key in place:
        data = data[key]
    return data


def edited(data: Any, place: tuple[str | int, ...], value: Any) -> Any:
    data = copy.deepcopy(data)
    at(data, place[:-1])[place[-1]] = value
    return data


def problem(action: Callable[..., object], *arguments: object) -> str:
    """Does something; returns the message of its error, which has one line, or nothing."""
    try:
        action(*arguments)
    except OnnxOodError as error:
        found = str(error)
    else:
        found = ""
    assert "\n" not in found
    return found


def use(result: Any, original: Path, written: Path) -> None:
    """Shows, compares and writes a result in all ways."""
    for action in (
        repr,
        lambda one: result_text(one, EVERYTHING),
        _rendering.html_page,
        result_picture,
        lambda one: onnx_ood.diff(one, original),
        lambda one: onnx_ood.diff(original, one),
        lambda one: one.to_json(written),
        lambda one: one.to_dataframe() if hasattr(one, "to_dataframe") else None,
    ):
        problem(action, result)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # huge numbers overflow
@pytest.mark.parametrize("name", NAMES)
def test_an_edited_result_is_shown_or_refused_in_one_line(name, tmp_path):
    data, original = read(name), STORED / f"{name}.json"
    changes = [(place, value) for place in list(places(data))[1:] for value in changed(at(data, place))]
    refused = 0
    for place, value in random.Random(name).sample(changes, MUTATIONS):
        (path := tmp_path / "edited.json").write_text(json.dumps(edited(data, place, value)))
        message = problem(onnx_ood.read_result, path)
        if message:
            assert str(path) in message
            refused += 1
        else:
            use(onnx_ood.read_result(path), original, tmp_path / "again.json")
    assert refused


@pytest.mark.parametrize("name", NAMES)
def test_a_stored_result_is_read_and_written_again(name, tmp_path):
    result = onnx_ood.read_result(STORED / f"{name}.json")
    assert isinstance(result, Result)
    result.to_json(tmp_path / "again.json")
    assert json.loads((tmp_path / "again.json").read_text()) == read(name)


EDITS = [
    ("score", ("detector_summary",), None, "inputs.0.scores has 2 entries for 0 detectors"),
    ("score", ("inputs", 0, "scores"), [], "inputs.0.scores has 0 entries for 2 detectors"),
    ("score", ("inputs", 1, "drop"), [], "inputs.1.drop has 0 entries for 2 probes"),
    ("score", ("inputs", 1, "distortion"), [0.5], "inputs.1.distortion has 1 entries for 2 probes"),
    ("score", ("inputs", 0, "published_score"), float("nan"), "NaN"),
    ("score", ("inputs", 0, "published_score"), float("inf"), "Infinity"),
    ("score", ("scored",), None, "at scored: expected a whole number"),
    ("score", ("scored",), 10**30, "10{30}"),
    ("score", ("schema",), "onnx-ood/score/1", "schema 'onnx-ood/score/1' is not one of this version"),
    ("score", ("schema",), 2, "schema '2' is not one of this version"),
    ("bench", ("detectors", 0, "metrics"), [], "the metrics of .* are not those of the sets noise"),
    ("bench", ("corruptions", "detectors"), [], "corruptions.detectors"),
    ("bench", ("corruptions", "detectors", 0, "severities"), [], "severities"),
    ("directions", ("layers",), [], "are not those that were swept"),
    ("sensitivity", ("models",), [], "at models"),
    ("sensitivity", ("models", 0, "trajectories"), [], "no trajectory of type"),
    ("sensitivity", ("models", 0, "sites", 0, "density"), {}, "has no density of type"),
    ("sensitivity", ("models", 0, "trajectories", 1, "profile"), [1.0], "has 1 entries for 40 parts"),
    ("preprocess", ("questions", 0, "candidates"), [], "candidates"),
    ("plane", ("classes", "answers"), [], "classes.answers has 0 entries for 8 rows of the grid"),
    ("plane", ("jacobian", "norms"), [], "norms has 0 entries"),
    ("plane", ("probe", "lines", 0, "y"), [], "y has 0 entries"),
    ("plane", ("grid", "rows"), -3, "at grid.rows"),
    ("instrument", ("types",), {}, "types lacks"),
    ("demo", ("alterations",), [], "at alterations"),
]


@pytest.mark.parametrize(("name", "place", "value", "message"), EDITS)
def test_what_contradicts_itself_is_refused_by_name(name, place, value, message, tmp_path):
    (path := tmp_path / "edited.json").write_text(json.dumps(edited(read(name), place, value)))
    with pytest.raises(UsageError, match=message) as error:
        onnx_ood.read_result(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_rate_of_null_is_a_result_without_flags(tmp_path):
    data = edited(read("score"), ("detector_summary", "fpr"), None)
    (path := tmp_path / "edited.json").write_text(json.dumps(data))
    result = onnx_ood.read_result(path)
    assert isinstance(result, onnx_ood.ScoreResult)
    assert result.detector_summary is not None
    assert not result.detector_summary.flags
    assert "references" in repr(result)
    use(result, STORED / "score.json", tmp_path / "again.json")
