"""Pair statistics inside the graph against float64 products of plain runs of the same model."""

from __future__ import annotations

import numpy as np
import pytest
import small_models
from onnx import ModelProto
from running import run

from onnx_ood.graph import with_pair_statistics

X = small_models.normal(3, 4)
NUDGES = small_models.normal(3, 2, 4, seed=1, scale=0.1)
TEXT = """net (float[N, 4] x) => (float[N, 6] h, float[N, 2, 3] r, float[N, 6] y) {
    g = MatMul (x, w)
    h = Relu (g)
    r = Reshape (h, shape)
    y = Neg (h)
}"""


def model(opset: int = 17) -> ModelProto:
    return small_models.build(
        TEXT, {"w": small_models.normal(4, 6, seed=2), "shape": np.array([-1, 2, 3])}, opset=opset
    )


def expected(values: list[np.ndarray]) -> np.ndarray:
    """⟨a, a⟩, ⟨a, dₖ⟩ and ⟨dₖ, dₗ⟩ of each input, [N, 1 + c, 1 + c], from values of clean and nudged runs."""
    clean, *copies = (value.reshape(len(value), -1).astype(np.float64) for value in values)
    rows = np.stack([clean, *(copy - clean for copy in copies)], axis=1)
    return rows @ rows.transpose(0, 2, 1)


@pytest.mark.parametrize("opset", [9, 10, 12, 13, 17])
@pytest.mark.parametrize("chunks", [[0, 6], [0, 1, 4, 6]])
@pytest.mark.parametrize("precise", [(), ("h", "r", "x")])
@pytest.mark.parametrize("shared", [False, True])
def test_products_and_counts_are_those_of_plain_runs(
    opset: int, chunks: list[int], precise: tuple[str, ...], shared: bool
) -> None:
    plain = model(opset)
    nudges = NUDGES[:1] if shared else NUDGES
    dtypes = dict.fromkeys(("x", "h", "r"), "float32")
    bounds = {"x": [0, 4], "h": chunks, "r": [0, 6]}
    pair = with_pair_statistics(plain, "x", ["h", "x", "r"], dtypes, precise, bounds, 2, ["y"])
    found = run(pair.proto, {"x": X, pair.nudges: nudges})
    runs = [run(plain, {"x": batch}) for batch in (X, *(X + nudges[:, k] for k in range(2)))]
    values = {name: [one[name] for one in runs] for name in ("h", "r", "y")}
    values["x"] = [X, *(X + nudges[:, k] for k in range(2))]
    products = np.concatenate([expected(values[name]) for name in ("x", "h", "x", "r")], axis=1)
    assert found[pair.products].dtype == np.float64
    np.testing.assert_allclose(found[pair.products], products, rtol=2e-4, atol=2e-6)
    for i, name in enumerate(("h", "x", "r")):
        active = np.stack([value.reshape(3, -1) > 0 for value in values[name]], axis=1).astype(np.float32)
        np.testing.assert_array_equal(
            found[pair.counts][:, 3 * i : 3 * i + 3], active @ active.transpose(0, 2, 1)
        )
    # Kept outputs have the rows of each input and its copies one after another.
    together = np.stack(values["y"], axis=1).reshape(9, 6)
    np.testing.assert_allclose(found["y"], together, rtol=1e-6)
    assert [value.name for value in pair.proto.graph.output] == ["y", pair.products, pair.counts]


def test_the_model_is_left_as_it_was_and_the_domain_added_once() -> None:
    plain = model()
    before = plain.SerializeToString(deterministic=True)
    dtypes, bounds = dict.fromkeys(("x", "h"), "float32"), {"x": [0, 4], "h": [0, 6]}
    pair = with_pair_statistics(plain, "x", ["h"], dtypes, (), bounds, 2, [])
    assert plain.SerializeToString(deterministic=True) == before
    again = model()
    again.opset_import.add(domain="com.microsoft", version=1)
    for proto in (pair.proto, with_pair_statistics(again, "x", ["h"], dtypes, (), bounds, 2, []).proto):
        assert [entry.domain for entry in proto.opset_import] == ["", "com.microsoft"]


def test_nodes_of_a_probe_come_before_the_model_s_next() -> None:
    """So that a runtime that keeps the order of the file holds the chunks of one probe at a time."""
    dtypes, bounds = dict.fromkeys(("x", "h", "r"), "float32"), {"x": [0, 4], "h": [0, 2, 6], "r": [0, 6]}
    pair = with_pair_statistics(model(), "x", ["h", "r"], dtypes, (), bounds, 2, [])
    nodes = list(pair.proto.graph.node)
    own = [i for i, node in enumerate(nodes) if node.name.startswith("n")]
    assert [nodes[i].output[0] for i in own] == ["g", "h", "r", "y"]
    for before, name, after in zip(own, ("g", "h", "r"), own[1:], strict=False):
        readers = [i for i, node in enumerate(nodes) if name in node.input and i not in own]
        assert bool(readers) is (name != "g")
        assert all(before < i < after for i in readers)


@pytest.mark.parametrize(("precise", "transposed"), [((), 0), (("h",), 1), (("h", "x"), 2)])
def test_products_in_float32_need_no_transposed_copy(precise: tuple[str, ...], transposed: int) -> None:
    """One node each, see docs/decisions/fused-matmul.md; the runtime has no such node for float64."""
    dtypes, bounds = dict.fromkeys(("x", "h"), "float32"), {"x": [0, 4], "h": [0, 6]}
    pair = with_pair_statistics(model(), "x", ["h"], dtypes, precise, bounds, 2, [])
    ops = [node.op_type for node in pair.proto.graph.node]
    # Of the site, of the probe, and of the probe's pattern, which is always float32.
    assert ops.count("Transpose") == transposed
    assert ops.count("FusedMatMul") == 3 - transposed
