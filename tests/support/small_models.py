"""Small ONNX models built by hand, each with one property that matters to onnx_ood.

Weights come from fixed seeds. Functions return `ModelProto`s; the fixture `save` writes them to files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import onnx
from onnx import ModelProto, ValueInfoProto, helper, numpy_helper
from onnx.parser import parse_graph

OPSET = 17


def build(
    text: str,
    weights: Mapping[str, np.ndarray] | None = None,
    domains: Sequence[str] = (),
    opset: int = OPSET,
) -> ModelProto:
    """A model from the text form of its graph; node number i is called `n{i}`."""
    graph = parse_graph(text)
    for i, node in enumerate(graph.node):
        node.name = f"n{i}"
    for name, values in (weights or {}).items():
        graph.initializer.append(numpy_helper.from_array(np.asarray(values), name))
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(graph, ir_version=8, opset_imports=imports, producer_name="by hand")


def normal(*shape: int, seed: int = 0, scale: float = 1.0, dtype: str = "float32") -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(dtype)


def images(count: int, seed: int = 1, dtype: str = "float32") -> np.ndarray:
    """A batch for the classifiers: [count, 3, 8, 8]."""
    return normal(count, 3, 8, 8, seed=seed, dtype=dtype)


def classifier(rows: int | str = "N", dtype: str = "float32") -> ModelProto:
    """Conv-Relu-Conv-Relu-pool-Gemm on [rows, 3, 8, 8]."""
    kind = {"float32": "float", "float16": "float16", "float64": "double"}[dtype]
    return build(
        f"""
        classifier ({kind}[{rows}, 3, 8, 8] image) => ({kind}[{rows}, 5] logits) {{
            conv1 = Conv <pads = [1, 1, 1, 1]> (image, w1, b1)
            relu1 = Relu (conv1)
            conv2 = Conv <strides = [2, 2]> (relu1, w2)
            relu2 = Relu (conv2)
            pooled = GlobalAveragePool (relu2)
            flat = Flatten (pooled)
            logits = Gemm <transB = 1> (flat, w3, b3)
        }}
        """,
        {
            "w1": normal(8, 3, 3, 3, seed=11, scale=0.3, dtype=dtype),
            "b1": normal(8, seed=12, scale=0.1, dtype=dtype),
            "w2": normal(16, 8, 3, 3, seed=13, scale=0.2, dtype=dtype),
            "w3": normal(5, 16, seed=14, dtype=dtype),
            "b3": normal(5, seed=15, dtype=dtype),
        },
    )


def residual() -> ModelProto:
    """One residual block: depth counts the longest path."""
    return build(
        """
        residual (float[N, 4] x) => (float[N, 4] y) {
            stem = Gemm (x, w1)
            h = Gemm (stem, w2)
            act = Relu (h)
            back = Gemm (act, w3)
            sum = Add (stem, back)
            y = Relu (sum)
        }
        """,
        {f"w{i}": normal(4, 4, seed=20 + i, scale=0.6) for i in (1, 2, 3)},
    )


def two_inputs() -> ModelProto:
    """Embeddings to nudge, a mask with one row for each input, and a temperature that all share."""
    return build(
        """
        two_inputs (float[N, 4, 6] embedding, int64[N, 4] mask, float temperature) => (float[N, 6] y) {
            as_float = Cast <to = 1> (mask)
            wide = Unsqueeze (as_float, minus_one)
            masked = Mul (embedding, wide)
            mixed = MatMul (masked, w)
            act = Tanh (mixed)
            pooled = ReduceMean <axes = [1], keepdims = 0> (act)
            y = Div (pooled, temperature)
        }
        """,
        {"w": normal(6, 6, seed=30, scale=0.5), "minus_one": np.array([-1], np.int64)},
    )


def unsorted() -> ModelProto:
    """The classifier with its nodes in reverse order."""
    model = classifier()
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(reversed(nodes))
    return model


def with_if() -> ModelProto:
    """An If whose branches read `h` of the outer graph."""
    return build(
        """
        with_if (float[N, 4] x, bool switch) => (float[N, 4] y) {
            h = Gemm (x, w)
            picked = If (switch) <
                then_branch = then_g () => (float[N, 4] t) { t = Relu (h) },
                else_branch = else_g () => (float[N, 4] e) { e = Neg (h) }
            >
            y = Add (picked, h)
        }
        """,
        {"w": normal(4, 4, seed=40)},
    )


def with_loop() -> ModelProto:
    """A Loop that adds the outer value `h` three times to its state."""
    return build(
        """
        with_loop (float[N, 4] x) => (float[N, 4] y) {
            h = Gemm (x, w)
            summed = Loop (three, , x) <
                body = body_g (int64 i, bool go, float[N, 4] state) => (bool on, float[N, 4] next) {
                    on = Identity (go)
                    next = Add (state, h)
                }
            >
            y = Relu (summed)
        }
        """,
        {"w": normal(4, 4, seed=41), "three": np.array(3, np.int64)},
    )


def labels() -> ModelProto:
    """Gives class scores and the number of the best class."""
    return build(
        """
        labels (float[N, 4] x) => (float[N, 3] scores, int64[N] label) {
            scores = Gemm (x, w)
            label = ArgMax <axis = 1, keepdims = 0> (scores)
        }
        """,
        {"w": normal(4, 3, seed=50)},
    )


def sequence() -> ModelProto:
    """Gives a tensor and a sequence of tensors, which numpy can't hold as one array."""
    model = build(
        """
        sequence (float[N, 4] x) => (float[N, 4] y) {
            y = Relu (x)
            parts = SplitToSequence <axis = 1> (y)
        }
        """
    )
    inner = helper.make_tensor_type_proto(onnx.TensorProto.FLOAT, None)
    model.graph.output.append(helper.make_value_info("parts", helper.make_sequence_type_proto(inner)))
    return model


def mixing(operator: str = "mean") -> ModelProto:
    """Each row of the output depends on other rows: on all of them, or on those before it."""
    mixed = {"mean": "ReduceMean <axes = [0], keepdims = 1> (h)", "before": "CumSum (h, zero)"}[operator]
    return build(
        f"""
        mixing (float[N, 4] x) => (float[N, 4] y) {{
            h = Gemm (x, w)
            m = {mixed}
            s = Sub (h, m)
            t = Add (s, x)
            y = Tanh (t)
        }}
        """,
        {"w": normal(4, 4, seed=60), "zero": np.array(0, np.int64)},
    )


def transposed(rows: int | str = "N") -> ModelProto:
    """Works on [time, batch, features] inside and gives [time, batch, features] back as well."""
    return build(
        f"""
        transposed (float[{rows}, 6, 4] x) => (float[6, {rows}, 4] inner, float[{rows}, 6, 4] y) {{
            turned = Transpose <perm = [1, 0, 2]> (x)
            h = MatMul (turned, w)
            inner = Relu (h)
            y = Transpose <perm = [1, 0, 2]> (inner)
        }}
        """,
        {"w": normal(4, 4, seed=61)},
    )


def roots() -> ModelProto:
    """Gives NaN where an input is negative."""
    return build("roots (float[N, 4] x) => (float[N, 4] y) { r = Sqrt (x)  y = Relu (r) }")


def contrib() -> ModelProto:
    """An operator of onnxruntime's own domain, behind which onnx can't infer types, and 8-bit codes."""
    return build(
        """
        contrib (float[N, 4] x) => (y) {
            h = com.microsoft.QuickGelu (x)
            r = Relu (h)
            codes = com.microsoft.QuantizeLinear (r, scale, zero)
            back = com.microsoft.DequantizeLinear (codes, scale, zero)
            y = Add (r, back)
        }
        """,
        {"scale": np.array(0.05, np.float32), "zero": np.array(0, np.uint8)},
        domains=["com.microsoft"],
    )


def detector() -> ModelProto:
    """Gives as many boxes [boxes, 4] for an input as it has positive scores."""
    return build(
        """
        detector (float[N, 5, 4] x) => (float[boxes, 4] found) {
            h = Tanh (x)
            total = ReduceSum <keepdims = 0> (h, last)
            wanted = Greater (total, zero)
            flags = Reshape (wanted, all)
            rows = Reshape (h, fours)
            found = Compress <axis = 0> (rows, flags)
        }
        """,
        {
            "last": np.array([2], np.int64),
            "zero": np.array(0, np.float32),
            "all": np.array([-1], np.int64),
            "fours": np.array([-1, 4], np.int64),
        },
    )


# One activation function each, decomposed the way exporters write it. The result is always `act`; `h` feeds it.
DECOMPOSED = {
    "silu": "g = Sigmoid (h) act = Mul (h, g)",
    "silu, gate first": "g = Sigmoid (h) act = Mul (g, h)",
    "hard swish": "g = HardSigmoid <alpha = 0.16667> (h) act = Mul (h, g)",
    "mish": "s = Softplus (h) g = Tanh (s) act = Mul (h, g)",
    "erf gelu, halved first": """
        d = Div (h, root2) e = Erf (d) p = Add (e, one) half_h = Mul (h, half) act = Mul (half_h, p)""",
    "erf gelu, halved last": "d = Div (h, root2) e = Erf (d) p = Add (e, one) m = Mul (h, p) act = Mul (m, half)",
    "tanh gelu, halved first": """
        cube = Pow (h, three) c = Mul (cube, k) i = Add (h, c) a = Mul (i, root2pi) e = Tanh (a)
        p = Add (one, e) half_h = Mul (half, h) act = Mul (half_h, p)""",
    "tanh gelu, halved last": """
        cube = Pow (h, three) c = Mul (cube, k) i = Add (h, c) a = Mul (root2pi, i) e = Tanh (a)
        p = Add (e, one) m = Mul (h, p) act = Mul (half, m)""",
}


def decomposed(form: str, source: str = "Gemm (x, w)") -> ModelProto:
    """A net with one decomposed activation function between two linear layers."""
    return build(
        f"""
        decomposed (float[N, 4] x) => (float[N, 4] y) {{
            h = {source}
            {DECOMPOSED[form]}
            y = Gemm (act, w)
        }}
        """,
        {
            "w": normal(4, 4, seed=70),
            "root2": np.array(2**0.5, np.float32),
            "one": np.array(1, np.float32),
            "half": np.array(0.5, np.float32),
            "three": np.array(3, np.float32),
            "k": np.array(0.044715, np.float32),
            "root2pi": np.array((2 / np.pi) ** 0.5, np.float32),
        },
    )


def random_net(seed: int, layers: int = 6) -> ModelProto:
    """A random graph of elementwise and linear nodes on [N, 4], each reading earlier tensors."""
    rng = np.random.default_rng(seed)
    names = ["x"]
    lines = []
    for i in range(layers):
        operator = str(rng.choice(["Relu", "Tanh", "Sigmoid", "Neg", "Add", "Mul", "Sub", "MatMul"]))
        first, second = (names[int(rng.integers(len(names)))] for _ in range(2))
        other = {"MatMul": ", w", "Add": f", {second}", "Mul": f", {second}", "Sub": f", {second}"}
        lines.append(f"t{i} = {operator} ({first}{other.get(operator, '')})")
        names.append(f"t{i}")
    text = f"random_net (float[N, 4] x) => (float[N, 4] t{layers - 1}) {{ {' '.join(lines)} }}"
    return build(text, {"w": normal(4, 4, seed=seed, scale=0.7)})


def marked(model: ModelProto, names: Iterable[str]) -> ModelProto:
    """A copy with tensors of the main graph as further outputs, by hand and without types."""
    copy = ModelProto()
    copy.CopyFrom(model)
    present = {value.name for value in copy.graph.output}
    copy.graph.output.extend(ValueInfoProto(name=name) for name in names if name not in present)
    return copy
