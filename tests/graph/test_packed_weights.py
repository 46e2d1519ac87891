"""Weights of a few bits against the product that onnxruntime computes from them."""

import numpy as np
import onnxruntime
import pytest
import small_models

from onnx_ood.graph.packed_weights import unpack_blocks

ROWS, COLUMNS, BLOCK = 3, 40, 16


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("zero_points", [True, False])
def test_unpacked_weights_are_those_of_the_runtime(bits: int, zero_points: bool) -> None:
    """The product of the node with the identity matrix is its weights; three blocks, the last partly filled."""
    rng = np.random.default_rng(bits)
    blocks = -(-COLUMNS // BLOCK)
    size = BLOCK * bits // 8
    weights = {
        "q": rng.integers(0, 256, (ROWS, blocks, size), np.uint8),
        "s": rng.uniform(0.1, 1, ROWS * blocks).astype(np.float32),
        "z": rng.integers(0, 256, ROWS * -(-blocks * bits // 8), np.uint8),
    }
    if not zero_points:
        del weights["z"]
    attributes = {"K": COLUMNS, "N": ROWS, "bits": bits, "block_size": BLOCK}
    listed = ", ".join(f"{name} = {value}" for name, value in attributes.items())
    text = f"""net (float[N, {COLUMNS}] x) => (float[N, {ROWS}] y) {{
        y = com.microsoft.MatMulNBits <{listed}> (x, q, s{", z" if zero_points else ""}) }}"""
    proto = small_models.build(text, weights, ("com.microsoft",))
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, {"x": np.eye(COLUMNS, dtype=np.float32)})
    found = unpack_blocks(weights["q"], weights["s"], weights.get("z"), attributes)
    assert found is not None
    np.testing.assert_allclose(found.T, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("changed", [{"bits": 2}, {"K": 0}, {"N": 4}, {"block_size": 32}])
def test_other_widths_and_sizes_are_refused(changed: dict[str, int]) -> None:
    attributes = {"K": COLUMNS, "N": ROWS, "bits": 4, "block_size": BLOCK, **changed}
    assert unpack_blocks(np.zeros((ROWS, 3, 8), np.uint8), np.ones(9, np.float32), None, attributes) is None
