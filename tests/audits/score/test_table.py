"""Columns and rows of the table of scored inputs."""

from __future__ import annotations

from onnx_ood.audits.score.result import InputResult, ScoreTerm
from onnx_ood.audits.score.table import table_columns, table_row
from onnx_ood.results.base import Failure, Prediction


def test_each_value_is_in_its_column() -> None:
    columns = table_columns(
        ["auto", "msp"], ["relu", "logits"], [("auto", "activity"), ("auto", "uncertainty")]
    )
    entry = InputResult(
        id="a.png",
        copies=4,
        rank=2,
        scores=(1.5, -0.5),
        terms=(
            ScoreTerm(detector="auto", name="activity", value=1.25, layer="relu", layer_number=1),
            ScoreTerm(detector="auto", name="uncertainty", value=0.25, layer=None, layer_number=None),
        ),
        p_value=0.25,
        flagged=False,
        deviation=1.25,
        rotation="more",
        published_score=3.5,
        drop=(0.1, 0.2),
        drop_error=(0.01, None),
        distortion=(1.0, 2.0),
        flip_rate=(0.3, 0.4),
        probe_deviations=(-1.0, 1.0),
        prediction=Prediction(index=3, label="cat", value=9.0, probability=0.9),
    )
    row = dict(zip(columns, table_row(entry, len(columns)), strict=True))
    assert list(row)[:4] == ["id", "rank", "p_value", "flagged"]
    assert (row["prediction"], row["label"], row["probability"]) == (3, "cat", 0.9)
    assert (row["score:auto"], row["score:msp"]) == (1.5, -0.5)
    assert (row["score:auto:activity"], row["score:auto:uncertainty"]) == (1.25, 0.25)
    assert (row["drop:relu"], row["drop:logits"], row["drop_error:logits"]) == (0.1, 0.2, None)
    assert (row["deviation"], row["deviation:relu"], row["deviation:logits"]) == (1.25, -1.0, 1.0)
    assert (row["distortion:logits"], row["flip_rate:relu"]) == (2.0, 0.3)
    assert all(value is None or isinstance(value, columns[name]) for name, value in row.items())


def test_a_failed_input_has_its_reason_only() -> None:
    columns = table_columns(["auto"], ["relu"])
    row = dict(zip(columns, table_row(Failure(id="b.png", reason="is empty"), len(columns)), strict=True))
    assert {name: value for name, value in row.items() if value is not None} == {
        "id": "b.png",
        "failed": "is empty",
    }
