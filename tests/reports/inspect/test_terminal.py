"""Terminal report of inspect, against onnx itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import onnx
import pytest
import small_models
from printing import report_of
from rich.console import Console

from onnx_ood import inspect, models
from onnx_ood.reports.inspect.terminal import print_inspect
from onnx_ood.reports.report_options import ReportOptions


def shown(width: int, *, verbose: bool = False) -> list[str]:
    out = StringIO()
    console = Console(width=width, file=out, markup=False, highlight=False)
    print_inspect(console, inspect(models.path("fashion_resnet")), ReportOptions(verbose=verbose))
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_the_first_line_counts_probes_and_parameters() -> None:
    proto = onnx.load(models.path("fashion_resnet"))
    parameters = sum(onnx.numpy_helper.to_array(one).size for one in proto.graph.initializer)
    relus = sum(node.op_type == "Relu" for node in proto.graph.node)
    first = shown(120)[0]
    assert f"of {relus} activations" in first
    assert f"{parameters:,} parameters" in first


@pytest.mark.parametrize("width", [80, 120])
def test_it_fits_a_terminal_of_24_lines(width: int) -> None:
    lines = shown(width)
    assert max(map(len, lines)) <= width
    assert len(lines) <= 23


def test_all_operators_are_verbose() -> None:
    counts = Counter(node.op_type for node in onnx.load(models.path("fashion_resnet")).graph.node)
    text = " ".join(" ".join(shown(120, verbose=True)).split())
    assert all(f"{count} {name}" in text for name, count in counts.items())


@pytest.mark.parametrize(("extra", "end"), [(1, "and 1 other"), (2, "and 2 others")])
def test_further_operators_are_counted(extra: int, end: str) -> None:
    operators = {f"Op{i}": 1 for i in range(6 + extra)}
    result = inspect(models.path("fashion_resnet")).model_copy(update={"operators": operators})
    (line,) = [line for line in report_of(print_inspect, result, 120) if line.startswith("operators")]
    assert line.endswith(f"1 Op5 {end}")


@pytest.mark.parametrize("width", [50, 70, 80, 120, 200])
def test_tensors_keep_names_and_index_and_drop_shapes_first(width: int) -> None:
    result = inspect(models.path("fashion_resnet"), tensors="*")
    long = "floor(height/2 + 3*stride - 1)"
    tensors = tuple(
        one.model_copy(update={"shape": ("batch", long, 28, None)}) if i % 2 else one
        for i, one in enumerate(result.matching)
    )
    lines = report_of(print_inspect, result.model_copy(update={"matching": tensors}), width)
    assert max(map(len, lines)) <= width
    rows = [line.split() for line in lines if line.lstrip().startswith("[")]
    assert [row[0] for row in rows] == [f"[{i}]" for i in range(1, len(tensors) + 1)]
    longest = max(len(one.name) for one in tensors)
    if longest + 35 <= width:
        assert [row[1] for row in rows] == [one.name for one in tensors]
    text = "\n".join(lines)
    assert long not in text
    if width >= 200:
        assert "[batch, floor(height/2 + 3*stri…, 28, ?]" in text
    if width <= 50:
        assert "batch, floor" not in text


def test_a_model_without_activations_has_none_to_suggest(save: Callable[..., Path]) -> None:
    path = save(
        small_models.build(
            "linear (float[N, 4] x) => (float[N, 3] y) { h = MatMul (x, v)  y = MatMul (h, w) }",
            {"v": small_models.normal(4, 5), "w": small_models.normal(5, 3)},
        )
    )
    first = report_of(print_inspect, inspect(path))[0]
    assert first.startswith("1 probe suggested in a model with no activations; 35 parameters")
