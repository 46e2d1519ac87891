"""Small files that expand to many nodes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import ModelProto, helper

import onnx_ood
from onnx_ood.exceptions import ModelError
from onnx_ood.graph.catalogue.calls import check_calls

Save = Callable[..., Path]


def model(bodies: dict[str, list[str]], start: str) -> ModelProto:
    """Each function calls the listed ones in a chain; `Relu` is an operator of ONNX."""
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]

    def node(name: str, i: int) -> onnx.NodeProto:
        return helper.make_node(name, [f"v{i}"], [f"v{i + 1}"], domain="" if name == "Relu" else "local")

    functions = [
        helper.make_function(
            "local",
            name,
            ["v0"],
            [f"v{len(calls)}"],
            [node(call, i) for i, call in enumerate(calls)],
            imports,
        )
        for name, calls in bodies.items()
    ]
    value = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["N"]) for name in ("v0", "v1")]
    graph = helper.make_graph([node(start, 0)], "g", value[:1], value[1:])
    return helper.make_model(graph, functions=functions, opset_imports=imports, ir_version=8)


def doubling(levels: int) -> ModelProto:
    bodies = {f"f{i}": [f"f{i + 1}", f"f{i + 1}"] for i in range(levels)}
    return model({**bodies, f"f{levels}": ["Relu"]}, "f0")


def test_calls_that_double_at_every_level_are_refused_at_once(save: Save) -> None:
    with pytest.raises(ModelError, match=r"model\.onnx: its function calls expand to \d{13} nodes"):
        onnx_ood.load(save(doubling(40)))


def test_what_amounts_to_little_is_read(save: Save) -> None:
    check_calls(doubling(10))
    assert onnx_ood.load(save(doubling(3))).outputs == ("v1",)


@pytest.mark.parametrize("bodies", [{"f": ["f"]}, {"f": ["g"], "g": ["Relu", "f"]}])
def test_functions_that_call_themselves_are_refused(bodies: dict[str, list[str]]) -> None:
    with pytest.raises(ModelError, match="calls itself"):
        check_calls(model(bodies, "f"))


@pytest.mark.parametrize(
    ("length", "message"), [(99, None), (100, "nest 101 deep"), (5000, "nest 5001 deep")]
)
def test_long_chains_are_refused_not_followed(length: int, message: str | None) -> None:
    bodies = {f"f{i}": [f"f{i + 1}"] for i in range(length)}
    made = model({**bodies, f"f{length}": ["Relu"]}, "f0")
    if message is None:
        check_calls(made)
    else:
        with pytest.raises(ModelError, match=message):
            check_calls(made)
