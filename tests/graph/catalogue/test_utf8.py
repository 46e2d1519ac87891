"""Names that are not text, put into a serialized model."""

from __future__ import annotations

from pathlib import Path

import pytest
from onnx import parser

import onnx_ood
from onnx_ood.exceptions import ModelError

TEXT = """
<ir_version: 8, opset_import: ["" : 18, "AAAA" : 1], producer_name: "BBBB">
CCCC (float[N, 4] DDDD, bool c) => (float[N, 4] EEEE) {
    [GGGG] r = AAAA.FFFF <HHHH = 1> (DDDD)
    EEEE = If (c) <then_branch = IIII () => (float[N, 4] JJJJ) { JJJJ = Relu (r) },
                   else_branch = e () => (float[N, 4] KKKK) { KKKK = Neg (r) }>
}
<domain: "AAAA", opset_import: ["" : 18]>
FFFF <HHHH> (LLLL) => (MMMM) { MMMM = Elu (LLLL) }
"""


@pytest.mark.parametrize("name", [4 * letter for letter in "ABCDEFGHIJKLM"])
def test_a_name_that_is_not_text_is_refused_wherever_it_is(tmp_path: Path, name: str) -> None:
    content = parser.parse_model(TEXT).SerializeToString()
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    onnx_ood.load(path)
    assert name.encode() in content
    path.write_bytes(content.replace(name.encode(), b"\xff\xfe\xff\xfe"))
    with pytest.raises(ModelError, match=r"model\.onnx: is damaged: a name in it is not valid UTF-8"):
        onnx_ood.load(path)
