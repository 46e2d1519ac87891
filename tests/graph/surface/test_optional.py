"""Optional values in place of outputs of unknown rank, by onnx's checker and the runtime."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import small_models
from onnx import TensorProto, helper
from running import run

from onnx_ood.graph.surface.optional import MIN_OPSET, as_optionals


def model(opset: int = 17) -> onnx.ModelProto:
    made = small_models.build(
        "net (float[N, 4] x) => (float[N, 4] y) { a = Neg (x) b = Exp (x) y = Add (a, b) }", opset=opset
    )
    for name, kind in (("a", TensorProto.FLOAT), ("b", TensorProto.FLOAT)):
        made.graph.output.append(
            onnx.ValueInfoProto(name=name, type=helper.make_tensor_type_proto(kind, None))
        )
    made.graph.output.append(onnx.ValueInfoProto(name="x"))
    return made


def test_outputs_without_a_rank_pass_the_checker_and_have_the_same_values() -> None:
    made = model()
    del made.graph.output[-1]
    renamed = as_optionals(made, ["y", "a", "b"])
    assert set(renamed) == {"a", "b"}
    assert [value.name for value in made.graph.output] == ["y", renamed["a"], renamed["b"]]
    onnx.checker.check_model(made, full_check=True)
    x = small_models.normal(2, 4)
    found = run(made, {"x": x})
    np.testing.assert_array_equal(found[renamed["a"]], -x)
    np.testing.assert_allclose(found[renamed["b"]], np.exp(x), rtol=1e-6)


def test_only_named_outputs_of_known_dtype_are_replaced() -> None:
    made = model()
    assert set(as_optionals(made, ["a", "x"])) == {"a"}
    assert [value.name for value in made.graph.output][::2] == ["y", "b"]


@pytest.mark.parametrize("opset", [MIN_OPSET - 1, MIN_OPSET])
def test_the_first_version_with_optional_values_is_that_of_onnx(opset: int) -> None:
    versions = [
        one.since_version for one in onnx.defs.get_all_schemas_with_history() if one.name == "Optional"
    ]
    assert (min(versions) <= opset) is (opset >= MIN_OPSET)
