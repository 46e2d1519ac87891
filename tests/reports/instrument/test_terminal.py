"""Terminal report of instrument: names and types as onnx has them."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import onnx
import pytest
from rich.console import Console

import onnx_ood
from onnx_ood import models
from onnx_ood.reports.registry import print_result, result_page


@pytest.fixture
def result(tmp_path: Path) -> onnx_ood.InstrumentResult:
    made = onnx_ood.instrument(models.path("fashion_cnn"), probes="op:Relu[0]", sites=["image", "op:Conv[1]"])
    made.save(tmp_path / "out.onnx")
    onnx_ood.InstrumentResult.of(made, tmp_path / "out.onnx").to_json(tmp_path / "result.json")
    stored = onnx_ood.read_result(tmp_path / "result.json")
    assert isinstance(stored, onnx_ood.InstrumentResult)
    return stored


def test_a_stored_result_shows_what_the_file_has(result: onnx_ood.InstrumentResult) -> None:
    out = StringIO()
    print_result(Console(file=out, width=200, highlight=False, markup=False), result)
    head, watched, *nudged = out.getvalue().splitlines()
    assert head == f"{result.out}: 1 tensor at 1 output, 2 sites at added inputs"
    graph = onnx.load(result.out).graph
    relu = next(node.output[0] for node in graph.node if node.op_type == "Relu")
    (declared,) = [value.type.tensor_type for value in graph.output if value.name == relu]
    sizes = ", ".join(dim.dim_param or str(dim.dim_value) for dim in declared.shape.dim)
    assert watched == f"  {relu}  float32 [{sizes}]"
    added = [value.name for value in graph.input][1:]
    assert [line.split("at input ")[1] for line in nudged] == added
    # Both have the default −0.
    assert {tensor.name for tensor in graph.initializer} >= set(added)
    assert result.required_inputs == ()


def test_a_stored_result_has_a_page(result: onnx_ood.InstrumentResult) -> None:
    assert f"{result.out}: 1 tensor at 1 output" in result_page(result)


def test_inputs_without_a_default_have_to_be_fed(tmp_path: Path) -> None:
    """Models of IR version 3 have no inputs with defaults."""
    model = onnx.parser.parse_model(
        '<ir_version: 3, opset_import: ["" : 9]> g (float[2] x) => (float[2] y) {y = Relu(x)}'
    )
    onnx.save(model, tmp_path / "old.onnx")
    made = onnx_ood.instrument(tmp_path / "old.onnx", probes=(), sites="x")
    result = onnx_ood.InstrumentResult.of(made, tmp_path / "out.onnx")
    assert result.required_inputs == tuple(made.inputs.values())
    out = StringIO()
    print_result(Console(file=out, width=200), result)
    assert out.getvalue().splitlines()[-1].endswith("has to be fed")


def test_shapes_that_are_unknown_are_not_shown(result: onnx_ood.InstrumentResult) -> None:
    name, added = next(iter(result.inputs.items()))

    def line(shape: tuple[int | str | None, ...] | None) -> str:
        types = {**result.types, added: result.types[added].model_copy(update={"shape": shape})}
        out = StringIO()
        print_result(Console(file=out, width=200), result.model_copy(update={"types": types}))
        return next(one for one in out.getvalue().splitlines() if one.strip().startswith(f"{name} "))

    assert "float32 a shape that broadcasts to the tensor's" in line((None, None))
    assert "float32 a shape that broadcasts to the tensor's" in line(None)
    assert "float32 [N, 10], or a shape that broadcasts to it" in line(("N", 10))
