"""Names of operators against the schemas that onnx itself finds for them."""

from __future__ import annotations

import pytest
from onnx import defs, helper
from onnx.onnx_cpp2py_export.defs import SchemaError

from onnx_ood.graph import why_unknown_operator


@pytest.mark.parametrize(
    "name", ["Relu", "Loop", "MatMulInteger", "LinearClassifier", "ZipMap", "Rellu", "loop", "Nothing"]
)
@pytest.mark.parametrize("domain", ["", "ai.onnx.ml"])
def test_an_operator_is_known_if_onnx_has_its_schema(name: str, domain: str) -> None:
    try:
        defs.get_schema(name, max(helper.VERSION_TABLE[-1][2:4]) if not domain else 3, domain)
        known = True
    except SchemaError:
        known = False
    assert (why_unknown_operator(f"{domain}::{name}" if domain else name) is None) == known


def test_domains_of_others_may_hold_anything() -> None:
    assert why_unknown_operator("com.microsoft::FusedConv") is None
    assert why_unknown_operator("SimplifiedLayerNormalization") is None
    # An operator that no version of today has any more.
    assert why_unknown_operator("Upsample") is None
