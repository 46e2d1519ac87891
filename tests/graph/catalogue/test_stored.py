"""Stored values against onnx's reference."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import small_models
from onnx.reference import ReferenceEvaluator

import onnx_ood
from onnx_ood.graph.catalogue.stored import StoredValues

Save = Callable[..., Path]
TEXT = """
net (float[N, 4] x) => (float[N, 4] y) {
    k = Constant <value = float[2] {1.0, 2.0}> ()
    t = Transpose <perm = [1, 0]> (w)
    c = Cast <to = 11> (t)
    q = DequantizeLinear (codes, scale, zero)
    r = Reshape (q, shape)
    s = Squeeze (r)
    n = Neg (w)
    other = my.Cast (w)
    f = Cast <to = 1> (x)
    y = MatMul (x, w)
}
"""
WEIGHTS = {
    "w": small_models.normal(4, 4),
    "codes": np.array([[1, 200], [30, 4]], np.uint8),
    "scale": np.float32(0.5),
    "zero": np.uint8(3),
    "shape": np.array([1, 4]),
}


def test_values_are_read_through_casts_and_changes_of_shape(save: Save) -> None:
    model = small_models.build(TEXT, WEIGHTS, domains=["my"], opset=19)
    stored = StoredValues(onnx_ood.load(save(model)))
    names = ["k", "t", "c", "q", "r", "s"]
    plain = onnx.ModelProto()
    plain.CopyFrom(model)
    del plain.graph.node[7]
    expected = ReferenceEvaluator(small_models.marked(plain, names)).run(
        names, {"x": small_models.normal(1, 4)}
    )
    for name, value in zip(names, expected, strict=True):
        found = stored.value(name)
        assert found is not None
        assert found.dtype == value.dtype
        np.testing.assert_array_equal(found, value)
    np.testing.assert_array_equal(stored.value("w"), WEIGHTS["w"])


def test_what_is_computed_or_depends_on_an_input_is_not_stored(save: Save) -> None:
    stored = StoredValues(onnx_ood.load(save(small_models.build(TEXT, WEIGHTS, domains=["my"], opset=19))))
    for name in ("n", "other", "f", "x", "y", "nothing"):
        assert stored.value(name) is None, name


def test_external_values_are_read_from_their_file(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    model = small_models.build(
        "net (float[N, 4] x) => (float[N, 4] y) { t = Transpose (w) y = MatMul (x, t) }", WEIGHTS
    )
    onnx.save_model(model, path, save_as_external_data=True, location="weights", size_threshold=0)
    stored = StoredValues(onnx_ood.load(path))
    np.testing.assert_array_equal(stored.value("t"), WEIGHTS["w"].T)
    np.testing.assert_array_equal(stored.value("codes"), WEIGHTS["codes"])


def test_values_of_constants_are_read_from_the_models_folder(tmp_path: Path, monkeypatch) -> None:
    """A file of the same name in the working folder is another model's."""
    value = onnx.numpy_helper.from_array(WEIGHTS["w"], "k")
    model = small_models.build("g (float[N, 4] x) => (float[N, 4] y) { y = Neg (x) }")
    model.graph.node.append(onnx.helper.make_node("Constant", [], ["k"], value=value))
    folder, elsewhere = tmp_path / "model", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    onnx.save_model(
        model, folder / "m.onnx", save_as_external_data=True, location="data", size_threshold=0,
        convert_attribute=True,
    )  # fmt: skip
    (elsewhere / "data").write_bytes(bytes((folder / "data").stat().st_size))
    monkeypatch.chdir(elsewhere)
    np.testing.assert_array_equal(StoredValues(onnx_ood.load("../model/m.onnx")).value("k"), WEIGHTS["w"])


def test_long_chains_and_damaged_nodes_have_no_value(save: Save) -> None:
    chain = " ".join(f"i{k} = Identity ({f'i{k - 1}' if k else 'w'})" for k in range(2000))
    text = (
        f"net (float[N, 4] x) => (float[N, 4] y) {{ {chain} b = Transpose <perm = [0, 0]> (w) y = Neg (x) }}"
    )
    stored = StoredValues(onnx_ood.load(save(small_models.build(text, WEIGHTS))))
    assert stored.value("i10") is not None
    assert stored.value("i1999") is None
    assert stored.value("b") is None
