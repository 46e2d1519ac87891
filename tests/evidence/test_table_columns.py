"""Names of columns of tables, against the data frames that the tables are written from."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import small_models

import onnx_ood
from onnx_ood.evidence.prepared_model import prepare_model
from onnx_ood.evidence.table_columns import column_notes, table_columns
from onnx_ood.exceptions import UsageError
from onnx_ood.inputs import InputSource, open_inputs

Save = Callable[..., Path]

NAMES = ["income", "age", "rate", "balance"]
SIZES = np.array([1000, 10, 0.1, 1e6])


@pytest.fixture
def model(save: Save) -> Path:
    text = "t (float[N, 4] x) => (float[N, 3] y) { h = MatMul (x, w) r = Relu (h) y = MatMul (r, v) }"
    return save(small_models.build(text, {"w": small_models.normal(4, 8), "v": small_models.normal(8, 3)}))


def table(path: Path, seed: int, names: list[str] = NAMES, **options: object) -> InputSource:
    frame = pd.DataFrame(np.random.default_rng(seed).normal(size=(24, 4)) * SIZES, columns=NAMES)
    if set(names) == set(NAMES):
        frame = frame[names]
    frame.to_csv(path, index=False, **{"header": names} | options)
    return open_inputs(path)


def compared(model: Path, source: InputSource, references: InputSource) -> list[str]:
    fed = prepare_model(model, source).fed
    return column_notes(fed, source, table_columns(fed, references))


def test_names_are_those_of_the_first_table_with_names(model: Path, tmp_path: Path) -> None:
    table(tmp_path / "a.csv", 0, header=False)
    table(tmp_path / "b.csv", 1)
    source = open_inputs([tmp_path / "a.csv", tmp_path / "b.csv"])
    assert table_columns(prepare_model(model, source).fed, source) == tuple(NAMES)


def test_another_order_is_refused(model: Path, tmp_path: Path) -> None:
    references = table(tmp_path / "good.csv", 0)
    swapped = table(tmp_path / "new.csv", 1, ["age", "income", "rate", "balance"])
    with pytest.raises(
        UsageError, match=r"another order .*: column 1 is age, not income, column 2 is income"
    ):
        onnx_ood.score(model, swapped, reference=references, provider="cpu", cache=False)
    auditor = onnx_ood.fit(model, references, provider="cpu", cache=False)
    auditor.save(tmp_path / "auditor.npz")
    (tmp_path / "good.csv").unlink()
    loaded = onnx_ood.Auditor.load(tmp_path / "auditor.npz")
    for one in (auditor, loaded):
        with pytest.raises(UsageError, match="another order"):
            one.score(swapped)
    references = table(tmp_path / "good.csv", 0)
    with pytest.raises(UsageError, match="another order"):
        onnx_ood.bench(model, references, swapped, reference=references, provider="cpu", cache=False)


def test_other_names_are_noted(model: Path, tmp_path: Path) -> None:
    references = table(tmp_path / "good.csv", 0)
    other = table(tmp_path / "new.csv", 1, ["income", "age", "share", "balance"])
    (note,) = compared(model, other, references)
    assert note.endswith("by their positions: column 3 is share, not rate.")
    result = onnx_ood.score(model, other, reference=references, copies=2, provider="cpu", cache=False)
    assert note in result.notes
    fitted = onnx_ood.fit(model, references, copies=2, provider="cpu", cache=False)
    fitted.save(tmp_path / "auditor.npz")
    loaded = onnx_ood.Auditor.load(tmp_path / "auditor.npz").score(other)
    assert loaded.notes == result.notes
    # The spread is that of the references, with their names.
    sizes = pd.read_csv(tmp_path / "good.csv").astype(np.float32).astype(np.float64).std()
    expected = ", ".join(f"{name} {sizes[name]:.3g}" for name in NAMES)
    assert any(one.endswith(f"over the references: {expected}.") for one in result.notes)


@pytest.mark.parametrize(
    "options", [{}, {"header": [" Income", "AGE", "rate", "balance"]}, {"header": False}]
)
def test_equal_names_and_tables_without_names_are_fine(
    model: Path, tmp_path: Path, options: dict[str, object]
) -> None:
    references, source = table(tmp_path / "good.csv", 0), table(tmp_path / "new.csv", 1, **options)
    assert compared(model, source, references) == []
    assert compared(model, references, source) == []
    assert compared(model, open_inputs(np.ones((2, 4), np.float32)), references) == []


@pytest.mark.parametrize("columns", [3, 5])
def test_tables_of_other_widths_are_left_to_the_model(save: Save, tmp_path: Path, columns: int) -> None:
    model = save(small_models.build("t (float[N, D] x) => (float[N, D] y) { y = Relu (x) }", {}))
    references = table(tmp_path / "good.csv", 0)
    names = [*NAMES, "count"][:columns]
    frame = pd.DataFrame(np.random.default_rng(1).normal(size=(24, columns)), columns=names[::-1])
    frame.to_csv(tmp_path / "new.csv", index=False)
    assert compared(model, open_inputs(tmp_path / "new.csv"), references) == []


QUICK = {
    "score": {"copies": 2, "detectors": "deviation"},
    "bench": {"detectors": "energy", "synthetic_ood": False},
    "directions": {"scales": (0.1,), "synthetic_ood": False},
    "sensitivity": {"directions": 2, "trajectories": 0},
    "plane": {"resolution": 8, "directions": 0, "limit": 3},
}


@pytest.mark.parametrize("audit", QUICK)
def test_tables_of_one_run_are_compared_without_references(audit: str, model: Path, tmp_path: Path) -> None:
    first = tmp_path / "a.csv"
    table(first, 0)
    table(tmp_path / "renamed.csv", 1, ["income", "age", "share", "balance"])
    table(tmp_path / "swapped.csv", 1, ["age", "income", "rate", "balance"])

    def run(second: str) -> tuple[str, ...]:
        function = getattr(onnx_ood, audit)
        options = {"provider": "cpu", **QUICK[audit]}
        if audit in {"bench", "directions"}:
            return function(model, first, tmp_path / second, **options).notes
        result = function(model, [first, tmp_path / second], **options)
        return result.models[0].notes if audit == "sensitivity" else result.notes

    of = "the in-distribution inputs" if audit in {"bench", "directions"} else "the first table"
    (note,) = [note for note in run("renamed.csv") if "other names" in note]
    assert f"other names than those of {of}" in note
    assert "column 3 is share, not rate" in note
    with pytest.raises(UsageError, match=f"another order than those of {of}: column 1 is age, not income"):
        run("swapped.csv")


def test_tables_of_references_are_compared_with_each_other(model: Path, tmp_path: Path) -> None:
    first = tmp_path / "a.csv"
    source = table(first, 0)
    table(tmp_path / "swapped.csv", 1, ["age", "income", "rate", "balance"])
    table(tmp_path / "renamed.csv", 2, ["income", "age", "share", "balance"])
    options = {"detectors": "activity", "provider": "cpu", "cache": False}
    wrong = [first, tmp_path / "swapped.csv"]
    for run in (
        lambda: onnx_ood.score(model, source, reference=wrong, **options),
        lambda: onnx_ood.fit(model, wrong, **options),
        lambda: onnx_ood.bench(model, source, source, reference=wrong, **options),
        lambda: onnx_ood.bench(model, wrong, source, reference=source, **options),
    ):
        with pytest.raises(
            UsageError, match=r"another order than those of the (first table|references): column 1 is"
        ):
            run()
    named = [first, tmp_path / "renamed.csv"]
    expected = "other names than those of the first table, .*: column 3 is share, not rate"
    for notes in (
        onnx_ood.score(model, source, reference=named, **options).notes,
        onnx_ood.fit(model, named, **options).score(source).notes,
    ):
        assert [note for note in notes if re.search(expected, note)]


def test_tables_with_other_names_than_the_references_are_compared_with_each_other(
    model: Path, tmp_path: Path
) -> None:
    references = table(tmp_path / "good.csv", 0)
    names = ["p", "q", "r", "s"]
    table(tmp_path / "one.csv", 1, names)
    table(tmp_path / "two.csv", 2, names[::-1])
    paths = [tmp_path / "one.csv", tmp_path / "two.csv"]
    assert len(compared(model, open_inputs(paths[:1]), references)) == 1
    with pytest.raises(UsageError, match="another order than those of the first table: column 1 is s, not p"):
        compared(model, open_inputs(paths), references)
    table(tmp_path / "three.csv", 3, NAMES[::-1])
    with pytest.raises(UsageError, match="another order than those of the references"):
        compared(model, open_inputs([*paths[:1], tmp_path / "three.csv"]), references)


def test_a_resumed_run_compares_columns_with_those_of_its_stream(model: Path, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(24, 4)).astype(np.float32)
    table(tmp_path / "a.csv", 0)
    table(tmp_path / "swapped.csv", 1, ["age", "income", "rate", "balance"])
    table(tmp_path / "renamed.csv", 2, ["income", "age", "share", "balance"])

    def run(name: str) -> onnx_ood.ScoreResult:
        streaming = onnx_ood.Streaming(tmp_path / "s.jsonl", resume=True)
        options = {"reference": rows, "detectors": "activity", "provider": "cpu", "cache": False}
        return onnx_ood.score(model, tmp_path / name, streaming=streaming, **options)

    assert run("a.csv").scored == 24
    written = (tmp_path / "s.jsonl").read_bytes()
    with pytest.raises(
        UsageError, match=r"another order than those of the inputs in .*s\.jsonl: column 1 is age"
    ):
        run("swapped.csv")
    assert (tmp_path / "s.jsonl").read_bytes() == written
    found = run("renamed.csv")
    assert found.scored == 48
    assert [note for note in found.notes if "s.jsonl, and are matched by their positions: column 3" in note]
