"""Types from onnxruntime, against the arrays that it returns."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import small_models
from onnx import TensorProto, helper

import onnx_ood
from onnx_ood import models
from onnx_ood._runtime_types import runtime_types, type_named


def test_types_are_those_of_the_values() -> None:
    names = ["h", "r", "codes", "back", "y"]
    model = small_models.marked(small_models.contrib(), names)
    found = runtime_types(model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    values = dict(zip(names, session.run(names, {"x": small_models.normal(3, 4)}), strict=True))
    assert set(found) == set(names)
    for name, known in found.items():
        assert helper.tensor_dtype_to_np_dtype(known.tensor_type.elem_type) == values[name].dtype
        assert len(known.tensor_type.shape.dim) == values[name].ndim


def test_a_model_that_the_runtime_refuses_has_no_types() -> None:
    model = small_models.build(
        "g (float[N, 4] x) => (float[N, 4] y) { y = nobodys.Own (x) }", domains=["nobodys"]
    )
    assert runtime_types(model) == {}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("tensor(float)", TensorProto.FLOAT),
        ("tensor(double)", TensorProto.DOUBLE),
        ("tensor(bfloat16)", TensorProto.BFLOAT16),
        ("tensor(uint4)", TensorProto.UINT4),
        ("tensor(string)", TensorProto.STRING),
    ],
)
def test_element_types_are_read_from_their_names(name: str, kind: int) -> None:
    made = type_named(name, ["N", 3, None])
    assert made == helper.make_tensor_type_proto(kind, ["N", 3, None])


def test_what_is_not_a_tensor() -> None:
    made = type_named("seq(tensor(int64))")
    assert made is not None
    assert made.sequence_type.elem_type.tensor_type.elem_type == TensorProto.INT64
    assert type_named("seq(map(int64,tensor(float)))") is None
    assert type_named("tensor(unheard)") is None
    # Scalars and unknown ranks look alike.
    scalar = type_named("tensor(float)", [])
    assert scalar is not None
    assert not scalar.tensor_type.HasField("shape")


def test_a_model_of_standard_operators_does_not_import_the_runtime() -> None:
    code = "import sys, onnx_ood; onnx_ood.load(sys.argv[1]).nested; sys.exit('onnxruntime' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code, models.path("fashion_cnn")], check=False).returncode == 0
    )


def test_weights_are_not_read(tmp_path) -> None:
    """External data may be as large as a disk; types need none of it."""
    model = small_models.build(
        "g (float[N, 4] x) => (float[N, 4] y) { h = com.microsoft.QuickGelu (x) y = MatMul (h, w) }",
        {"w": small_models.normal(4, 4)},
        domains=["com.microsoft"],
    )
    onnx.save_model(model, tmp_path / "m.onnx", save_as_external_data=True, location="data", size_threshold=0)
    (tmp_path / "data").write_bytes(np.full(16, np.nan, np.float32).tobytes())
    assert onnx_ood.load(tmp_path / "m.onnx").by_name["h"].dtype == "float32"
