"""Small classifiers as many exporters write them, with class scores and features computed by numpy.

Two networks: an MLP (x [N, 6] → h = relu(x·V) [N, 8] → z = W·h + b [N, 5]), and a convolutional network (x [N, 3, 6, 6]
→ m = relu(K∗x) [N, 8, 4, 4] → h = mean of m [N, 8] → z). An export changes only the form of what follows.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import small_models
from onnx import ModelProto, helper
from small_models import normal

CLASSES, FEATURES = 5, 8
W, B = normal(CLASSES, FEATURES, seed=1), normal(CLASSES, seed=2)
V, K = normal(6, FEATURES, seed=3, scale=0.7), normal(FEATURES, 3, 3, 3, seed=4, scale=0.3)
ROWS, IMAGES = normal(24, 6, seed=5), normal(24, 3, 6, 6, seed=6)
ML, MICROSOFT = "ai.onnx.ml", "com.microsoft"

_WEIGHTS = {
    "v": V, "k": K, "w": W, "wt": W.T.copy(), "b": B, "w4": W[..., None, None], "b4": B.reshape(1, -1, 1, 1),
    "half_w": W / 2, "third_b": B / 3, "b_row": B[None], "minus_b": -B, "w16": W.astype(np.float16),
    "two": np.float32(2), "half": np.float32(0.5), "one": np.float32(1), "minus": np.float32(-1), "zero": np.float32(0),
    "small": np.float32(1e-7), "large": np.float32(1 - 1e-7), "k1": np.array([1]), "k3": np.array([3]),
    "ends": np.array([2, 3]), "class_axis": np.array([1]), "last": np.array([-1]), "row": np.array([-1, CLASSES]),
    "copied": np.array([0, -1]), "h_row": np.array([-1, FEATURES]), "names": np.array([10, 20, 30, 40, 50], np.int64),
    "step": np.float32(2**-8), "u0": np.uint8(0), "wide_step": np.float32(2**-4), "u128": np.uint8(128),
}  # fmt: skip


@dataclass(frozen=True)
class Export:
    """A model and the right answer.

    Attributes:
        name: What is special about it.
        build: Makes the model.
        logits: Class scores for its inputs, up to a constant for each input, float64 [24, 5]; None if the model has no
            class scores.
        features: Features before the linear layer, float64 [24, 8]; None if the model has no linear layer.
        weight: Weights of the layer up to rounding, float64 [5, 8].
        sigmoid: True if the scores are probabilities of independent classes.
        tolerance: Largest error of logits less their mean, because of rounding.
        label: True if an output holds labels.
        predicted: False if no output holds the prediction of each input.
    """

    name: str
    build: Callable[[], ModelProto]
    logits: np.ndarray | None
    features: np.ndarray | None
    weight: np.ndarray = field(default_factory=lambda: W.astype(np.float64))
    sigmoid: bool = False
    tolerance: float = 1e-5
    label: bool = False
    predicted: bool = True

    @property
    def inputs(self) -> np.ndarray:
        """Inputs of the model."""
        rank = len(self.build().graph.input[0].type.tensor_type.shape.dim)
        return IMAGES if rank == 4 else ROWS


def row_features() -> np.ndarray:
    """Features of the MLP."""
    return np.maximum(ROWS.astype(np.float64) @ V, 0)


def image_features() -> np.ndarray:
    """Features of the convolutional network."""
    windows = np.lib.stride_tricks.sliding_window_view(IMAGES.astype(np.float64), (3, 3), axis=(2, 3))
    return np.maximum(np.einsum("ncyxij,fcij->nfyx", windows, K), 0).mean(axis=(2, 3))


def logits_of(features: np.ndarray) -> np.ndarray:
    """Class scores of features."""
    return features @ W.T.astype(np.float64) + B


def _build(
    text: str, opset: int = 17, more: Mapping[str, np.ndarray] | None = None, *, shapes: bool = True
) -> ModelProto:
    used = {name for node in onnx.parser.parse_graph(text).node for name in node.input}
    weights = {name: value for name, value in {**_WEIGHTS, **(more or {})}.items() if name in used}
    proto = small_models.build(text, weights, (ML, MICROSOFT), opset)
    if not shapes:
        for output in proto.graph.output:
            output.type.tensor_type.ClearField("shape")
    return proto


def _mlp(body: str, outputs: str = "float[N, 5] y", **options) -> Callable[[], ModelProto]:
    return lambda: _build(
        f"mlp (float[N, 6] x) => ({outputs}) {{ a = MatMul (x, v) h = Relu (a) {body} }}", **options
    )


def _cnn(body: str, outputs: str = "float[N, 5] y", **options) -> Callable[[], ModelProto]:
    text = f"cnn (float[N, 3, 6, 6] x) => ({outputs}) {{ a = Conv (x, k) m = Relu (a) {body} }}"
    return lambda: _build(text, **options)


_Z = "z = Gemm <transB = 1> (h, w, b) "
_MAPPED = "p = GlobalAveragePool (m) z4 = Conv (p, w4, b) "

# Forms of the linear layer that end in y [N, 5]; a number or a string is the factor of the weights and the logits.
HEADS: dict[str, str] = {
    "Gemm": "y = Gemm (h, wt, b)",
    "Gemm, transB": "y = Gemm <transB = 1> (h, w, b)",
    "Gemm, transA": "t = Transpose <perm = [1, 0]> (h) y = Gemm <transA = 1, transB = 1> (t, w, b)",
    "Gemm, alpha and beta": "y = Gemm <alpha = 2.0, beta = 3.0, transB = 1> (h, half_w, third_b)",
    "MatMul, Add": "g = MatMul (h, wt) y = Add (g, b)",
    "MatMul, Add bias first": "g = MatMul (h, wt) y = Add (b, g)",
    "MatMul, Add a row": "g = MatMul (h, wt) y = Add (g, b_row)",
    "MatMul, Sub": "g = MatMul (h, wt) y = Sub (g, minus_b)",
    "MatMul of a transposed weight": "t = Transpose <perm = [1, 0]> (w) g = MatMul (h, t) y = Add (g, b)",
    "weights times features, transposed": (
        "t = Transpose <perm = [1, 0]> (h) g = MatMul (w, t) s = Transpose <perm = [1, 0]> (g) y = Add (s, b)"
    ),
    "Gemm of weights and features, transposed": (
        "g = Gemm <transB = 1> (w, h) s = Transpose <perm = [1, 0]> (g) y = Add (s, b)"
    ),
    "FusedMatMul": "g = com.microsoft.FusedMatMul <transB = 1> (h, w) y = Add (g, b)",
    "Einsum": 'g = Einsum <equation = "nd,cd->nc"> (h, w) y = Add (g, b)',
    "Einsum, weights first": 'g = Einsum <equation = "dc, nd -> nc"> (wt, h) y = Add (b, g)',
    "weights in float16": "t = Cast <to = 1> (w16) y = Gemm <transB = 1> (h, t, b)",
    "reshaped and cast": (
        "g = Gemm <transB = 1> (h, w, b) s = Reshape (g, row) d = Cast <to = 11> (s) y = Cast <to = 1> (d)"
    ),
    "features dropped out": "d = Dropout (h) y = Gemm <transB = 1> (d, w, b)",
}
IMAGE_HEADS: dict[str, str] = {
    "pooled, flattened": "p = GlobalAveragePool (m) f = Flatten (p) y = Gemm <transB = 1> (f, w, b)",
    "ReduceMean": "f = ReduceMean <axes = [2, 3], keepdims = 0> (m) y = Gemm <transB = 1> (f, w, b)",
    "AveragePool of the whole map": (
        "p = AveragePool <kernel_shape = [4, 4]> (m) f = Reshape (p, h_row) y = Gemm <transB = 1> (f, w, b)"
    ),
    "1 × 1 Conv, Flatten": _MAPPED + "y = Flatten (z4)",
    "1 × 1 Conv, Squeeze": _MAPPED + "y = Squeeze (z4, ends)",
    "1 × 1 Conv, Reshape": _MAPPED + "y = Reshape (z4, copied)",
    "1 × 1 Conv, bias added": "p = GlobalAveragePool (m) g = Conv (p, w4) z4 = Add (g, b4) y = Flatten (z4)",
    "Conv, then channels last": (_MAPPED + "t = Transpose <perm = [0, 2, 3, 1]> (z4) y = Reshape (t, row)"),
    "linear layer before the pooling": "g = Conv (m, w4, b) p = GlobalAveragePool (g) y = Flatten (p)",
    "linear layer before a ReduceMean": "g = Conv (m, w4, b) y = ReduceMean <axes = [2, 3], keepdims = 0> (g)",
}

_E = "e = Exp (z) "
_SHIFT = "t = ReduceMax <axes = [1]> (z) s = Sub (z, t) e = Exp (s) "
# Forms of probabilities of z [N, 5].
TAILS: dict[str, str] = {
    "Softmax": "y = Softmax (z)",
    "Softmax, axis 1": "y = Softmax <axis = 1> (z)",
    "Softmax, clipped": "q = Softmax (z) y = Clip (q, small, large)",
    "Softmax, rounded": "q = Softmax (z) r = QuantizeLinear (q, step, u0) y = DequantizeLinear (r, step, u0)",
    "Softmax, squeezed": "u = Unsqueeze (z, class_axis) q = Softmax (u) y = Squeeze (q, class_axis)",
    "Softmax of [N, 5, 1, 1]": "u = Unsqueeze (z, ends) q = Softmax <axis = 1> (u) y = Flatten (q)",
    "Softmax of [N, 1, 1, 5]": (
        "u = Unsqueeze (z, ends) t = Transpose <perm = [0, 2, 3, 1]> (u) q = Softmax (t) y = Reshape (q, row)"
    ),
    "Softmax as double": "d = Cast <to = 11> (z) q = Softmax (d) y = Cast <to = 1> (q)",
    "Softmax times one": "q = Softmax (z) y = Mul (q, one)",
    "LogSoftmax": "y = LogSoftmax (z)",
    "LogSoftmax, Exp": "l = LogSoftmax (z) y = Exp (l)",
    "Softmax, Log": "q = Softmax (z) y = Log (q)",
    "powers": _E + "u = ReduceSum (e, class_axis) y = Div (e, u)",
    "powers, last axis": _E + "u = ReduceSum (e, last) y = Div (e, u)",
    "powers of differences": _SHIFT + "u = ReduceSum (e, class_axis) y = Div (e, u)",
    "powers, Reciprocal": _SHIFT + "u = ReduceSum (e, class_axis) r = Reciprocal (u) y = Mul (e, r)",
    "powers, ReduceL1": _E + "u = ReduceL1 <axes = [1]> (e) y = Div (e, u)",
    "powers, LpNormalization": _E + "y = LpNormalization <axis = 1, p = 1> (e)",
    "powers, Normalizer": _E + 'y = ai.onnx.ml.Normalizer <norm = "L1"> (e)',
    "logarithm of a sum": _SHIFT + "u = ReduceSum (e, class_axis) l = Log (u) y = Sub (s, l)",
    "ReduceLogSum": _E + "l = ReduceLogSum <axes = [1]> (e) y = Sub (z, l)",
    "ReduceLogSumExp": "l = ReduceLogSumExp <axes = [1]> (z) y = Sub (z, l)",
    "ReduceLogSumExp, Exp": "l = ReduceLogSumExp <axes = [1]> (z) s = Sub (z, l) y = Exp (s)",
}
SIGMOIDS: dict[str, str] = {
    "Sigmoid": "y = Sigmoid (z)",
    "sigmoid by Div": "n = Neg (z) e = Exp (n) s = Add (e, one) y = Div (one, s)",
    "sigmoid by Reciprocal": "n = Mul (z, minus) e = Exp (n) s = Add (one, e) y = Reciprocal (s)",
    "sigmoid by powers": "e = Exp (z) s = Add (one, e) y = Div (e, s)",
    "sigmoid by Sub": "n = Sub (zero, z) e = Exp (n) s = Add (one, e) y = Div (one, s)",
    "sigmoid by Tanh": "r = Mul (z, half) t = Tanh (r) s = Mul (half, t) y = Add (s, half)",
    "sigmoid by Tanh, sum first": "r = Div (z, two) t = Tanh (r) s = Add (t, one) y = Div (s, two)",
}
# Several outputs, named, or of unknown shape: what is read is the logits of the network.
OUTPUTS: dict[str, tuple[str, str, dict]] = {
    "probabilities and logits": ("y = Softmax (z)", "float[N, 5] y, float[N, 5] z", {}),
    "logits and probabilities": ("y = Softmax (z)", "float[N, 5] z, float[N, 5] y", {}),
    "features and logits": ("y = Identity (z)", "float[N, 8] h, float[N, 5] y", {}),
    "label and probabilities": (
        "label = ArgMax <axis = 1, keepdims = 0> (z) y = Softmax (z)", "int64[N] label, float[N, 5] y", {"label": True},
    ),
    "named label alone": (
        "i = ArgMax <axis = 1, keepdims = 0> (z) label = ai.onnx.ml.ArrayFeatureExtractor (names, i)",
        "int64[N] label", {"label": True},
    ),
    "label and maps (ZipMap)": (
        "label = ArgMax <axis = 1, keepdims = 0> (z) q = Softmax (z) "
        "y = ai.onnx.ml.ZipMap <classlabels_int64s = [0, 1, 2, 3, 4]> (q)",
        "int64[N] label, seq(map(int64, float)) y", {"label": True},
    ),
    "index of the largest": ("q = Softmax (z) u, label = TopK (q, k1)", "int64[N, 1] label", {"label": True}),
    "three largest, sorted": (
        "q = Softmax (z) y, i = TopK (q, k3)", "float[N, 3] y, int64[N, 3] i", {"predicted": False},
    ),
    "quantized probabilities": ("q = Softmax (z) y = QuantizeLinear (q, step, u0)", "uint8[N, 5] y", {}),
    "quantized logits": ("y = QuantizeLinear (z, wide_step, u128)", "uint8[N, 5] y", {"tolerance": 1e-5}),
}  # fmt: skip


def _exports() -> list[Export]:
    h, m = row_features(), image_features()
    z, zm = logits_of(h), logits_of(m)
    found = [Export(f"head: {name}", _mlp(body), z, h) for name, body in HEADS.items()]
    found = [replace(one, tolerance=0.01) if "float16" in one.name else one for one in found]
    found += [Export(f"head of images: {name}", _cnn(body), zm, m) for name, body in IMAGE_HEADS.items()]
    found += [
        Export(f"tail: {name}", _mlp(_Z + body, opset=19 if "rounded" in name else 17), z, h)
        for name, body in TAILS.items()
    ]
    found += [Export(f"tail: {name}", _mlp(_Z + body), z, h, sigmoid=True) for name, body in SIGMOIDS.items()]
    found += [
        Export(f"outputs: {name}", _mlp(_Z + body, outputs), z, h, **options)
        for name, (body, outputs, options) in OUTPUTS.items()
    ]
    found += [
        Export("temperature before the softmax", _mlp(_Z + "s = Div (z, two) y = Softmax (s)"), z / 2, h, W / 2.0),
        Export("scaled by a product", _mlp(_Z + "s = Mul (half, z) y = Softmax (s)"), z / 2, h, W / 2.0),
        Export("logits without a declared shape", _mlp(_Z + "y = Identity (z)", shapes=False), z, h),
        Export(
            "operator of onnxruntime without a known shape",
            _mlp("g = com.microsoft.FusedMatMul (h, wt) y = Add (g, b)", shapes=False), z, h,
        ),
        Export("softmax without a declared shape", _mlp(_Z + "y = Softmax (z)", shapes=False), z, h),
        Export("Softmax before opset 13", _mlp(_Z + "y = Softmax (z)", opset=11), z, h),
        Export(
            "Softmax before opset 13 of [N, 5, 1, 1]",
            _cnn(_MAPPED + "y = Softmax (z4)", "float[N, 5, 1, 1] y", opset=11), zm, m,
        ),
        Export("logits [N, 5, 1, 1]", _cnn(_MAPPED + "y = Identity (z4)", "float[N, 5, 1, 1] y"), zm, m),
        Export(
            "probabilities [N, 1, 1, 5]",
            _cnn(_MAPPED + "t = Transpose <perm = [0, 2, 3, 1]> (z4) y = Softmax (t)", "float[N, 1, 1, 5] y"), zm, m,
        ),
        Export(
            "rectified before the pooling (SqueezeNet)",
            _cnn("g = Conv (m, w4, b) r = Relu (g) p = GlobalAveragePool (r) f = Flatten (p) y = Softmax (f)"),
            _pooled_after_relu(), None,
        ),
        Export("sklearn LinearClassifier", _linear_classifier, z, None, label=True),
        *_quantized(),
        *_refused(),
    ]  # fmt: skip
    return found


def _pooled_after_relu() -> np.ndarray:
    windows = np.lib.stride_tricks.sliding_window_view(IMAGES.astype(np.float64), (3, 3), axis=(2, 3))
    m = np.maximum(np.einsum("ncyxij,fcij->nfyx", windows, K), 0)
    return np.maximum(np.einsum("nfyx,cf->ncyx", m, W.astype(np.float64)) + B[:, None, None], 0).mean((2, 3))


def _linear_classifier() -> ModelProto:
    proto = _mlp("", "int64[N] label, float[N, 5] y")()
    proto.graph.node.append(
        helper.make_node(
            "LinearClassifier", ["h"], ["label", "y"], domain=ML, classlabels_ints=list(range(CLASSES)),
            coefficients=W.reshape(-1).tolist(), intercepts=B.tolist(), multi_class=1, post_transform="SOFTMAX",
        )
    )  # fmt: skip
    return proto


def _refused() -> list[Export]:
    """Models without class scores."""
    bodies: dict[str, Callable[[], ModelProto]] = {
        "embedding of unit length": _mlp(_Z + "y = LpNormalization <axis = 1, p = 2> (z)"),
        "embedding by its name": _mlp("embedding = Gemm <transB = 1> (h, w, b)", "float[N, 5] embedding"),
        "one number": _mlp("u = Gemm <transB = 1> (h, w, b) y = ReduceMax <axes = [1]> (u)", "float[N, 1] y"),
        "one number of a linear layer": _mlp("y = MatMul (h, column)", "float[N, 1] y", more={"column": W[0][:, None]}),
        "segmentation": _cnn("g = Conv (m, w4, b) y = Softmax <axis = 1> (g)", "float[N, 5, 4, 4] y"),
        "detector": _cnn(
            "g = Conv (m, w4, b) f = Reshape (g, boxes) y = Transpose <perm = [0, 2, 1]> (f)", "float[N, 16, 5] y",
            more={"boxes": np.array([0, CLASSES, -1])},
        ),
        "softmax over the inputs": _mlp(_Z + "y = Softmax <axis = 0> (z)"),
        "powers over another sum": _mlp(_Z + _E + "f = Exp (h) u = ReduceSum (f, class_axis) y = Div (e, u)"),
        "scaled rows": _mlp(_Z + "y = Mul (z, b)"),
        "activation": _mlp(_Z + "y = Tanh (z)"),
        "softmax of another domain": lambda: _of_another_domain(_mlp(_Z + "y = Softmax (z)")()),
    }  # fmt: skip
    return [Export(f"refused: {name}", build, None, None) for name, build in bodies.items()]


def _of_another_domain(proto: ModelProto) -> ModelProto:
    proto.graph.node[-1].domain = "example.org"
    proto.opset_import.append(helper.make_opsetid("example.org", 1))
    return proto


def _quantized() -> list[Export]:
    h, m = row_features(), image_features()
    z, zm = logits_of(h), logits_of(m)
    mlp, cnn = _mlp("y = Gemm <transB = 1> (h, w, b)"), _cnn(IMAGE_HEADS["pooled, flattened"])
    convolutional = _cnn(IMAGE_HEADS["1 × 1 Conv, Flatten"])
    softmax, sigmoid = _mlp(_Z + "y = Softmax (z)"), _mlp(_Z + "y = Sigmoid (z)")
    early = _cnn(IMAGE_HEADS["linear layer before the pooling"])
    static, dynamic = _statically, _dynamically
    cases = {
        "static QDQ, Gemm": (lambda: static(mlp()), z, h),
        "static QDQ, per channel": (lambda: static(mlp(), per_channel=True), z, h),
        "static QDQ, images": (lambda: static(cnn()), zm, m),
        "static QDQ, images, per channel": (lambda: static(cnn(), per_channel=True), zm, m),
        "static QDQ, 1 × 1 Conv": (lambda: static(convolutional()), zm, m),
        "static QDQ, linear layer before the pooling": (lambda: static(early()), zm, m),
        "static QDQ, softmax": (lambda: static(softmax()), z, h),
        "static QDQ of onnxruntime's domain": (lambda: static(mlp(), extra={"UseQDQContribOps": True}), z, h),
        "static QDQ, quantized bias": (
            lambda: static(mlp(), per_channel=True, extra={"QuantizeBias": True}), z, h,
        ),
        "static QOperator, Gemm": (lambda: static(mlp(), "QOperator"), z, h),
        "static QOperator, images": (lambda: static(cnn(), "QOperator"), zm, m),
        "static QOperator, 1 × 1 Conv": (lambda: static(convolutional(), "QOperator"), zm, m),
        "static QOperator, softmax": (lambda: static(softmax(), "QOperator"), z, h),
        "static QOperator, sigmoid": (lambda: static(sigmoid(), "QOperator"), z, h),
        "dynamic, Gemm": (lambda: dynamic(mlp()), z, h),
        "dynamic, uint8, per channel": (lambda: dynamic(mlp(), signed=False, per_channel=True), z, h),
        "dynamic, MatMul and Add": (lambda: dynamic(_mlp(HEADS["MatMul, Add"])()), z, h),
        "dynamic, images": (lambda: dynamic(cnn()), zm, m),
        "dynamic, ConvInteger": (lambda: dynamic(convolutional()), zm, m),
        "dynamic, softmax": (lambda: dynamic(softmax()), z, h),
        "weights of 4 bits": (lambda: _packed(4), z, h),
        "weights of 8 bits": (lambda: _packed(8), z, h),
        "weights dequantized by Cast, Sub and Mul": (_by_hand, z, h),
        "fused: MatMulIntegerToFloat": (lambda: _fused("MatMulIntegerToFloat"), z, h),
        "fused: DynamicQuantizeMatMul": (lambda: _fused("DynamicQuantizeMatMul"), z, h),
    }  # fmt: skip
    return [
        Export(f"quantized: {name}", cache(build), logits, features, tolerance=0.7 if "4 bits" in name else 0.3,
               sigmoid="sigmoid" in name)
        for name, (build, logits, features) in cases.items()
    ]  # fmt: skip


class _Batches:
    """Calibration inputs, as onnxruntime's quantization reads them."""

    def __init__(self, proto: ModelProto) -> None:
        rank = len(proto.graph.input[0].type.tensor_type.shape.dim)
        self._left = [{"x": IMAGES if rank == 4 else ROWS}]

    def get_next(self) -> dict[str, np.ndarray] | None:
        return self._left.pop() if self._left else None


def _statically(
    proto: ModelProto, form: str = "QDQ", *, per_channel: bool = False, extra: dict | None = None
) -> ModelProto:
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    with TemporaryDirectory() as folder, _quiet():
        to = Path(folder) / "q.onnx"
        quantize_static(
            proto, to, _Batches(proto), quant_format=QuantFormat[form], per_channel=per_channel,
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, extra_options=extra, reduce_range=True,
        )  # fmt: skip
        return onnx.load(to)


def _dynamically(proto: ModelProto, *, signed: bool = True, per_channel: bool = False) -> ModelProto:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with TemporaryDirectory() as folder, _quiet():
        to = Path(folder) / "q.onnx"
        kind = QuantType.QInt8 if signed else QuantType.QUInt8
        quantize_dynamic(proto, to, weight_type=kind, per_channel=per_channel, reduce_range=True)
        return onnx.load(to)


class _quiet(warnings.catch_warnings):  # noqa: N801 - a context
    def __enter__(self):
        found = super().__enter__()
        warnings.simplefilter("ignore")
        return found


def _steps(values: np.ndarray, bits: int, axis: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Scale and zero point of values, one each or one for each place of an axis."""
    over = None if axis is None else tuple(i for i in range(values.ndim) if i != axis)
    low, high = np.minimum(values.min(axis=over), 0), np.maximum(values.max(axis=over), 0)
    scale = ((high - low) / (2**bits - 1)).astype(np.float32)
    return scale, np.round(-low / scale).astype(np.uint8)


def _packed(bits: int) -> ModelProto:
    """MatMulNBits, in two blocks of 16 columns of which the second is partly filled; 16 features copied twice over."""
    block = 16
    wide = np.zeros((CLASSES, block), np.float32)
    wide[:, :FEATURES] = W
    scale, zero = _steps(wide, bits, axis=0)
    q = np.clip(np.round(wide / scale[:, None]) + zero[:, None], 0, 2**bits - 1).astype(np.uint8)
    packed, zeros = q, zero
    if bits == 4:
        packed, zeros = (
            q[:, ::2] | (q[:, 1::2] << 4),
            zero,
        )  # One block a row: its zero point is a low half of a byte.
    return _build(
        f"""mlp (float[N, 6] x) => (float[N, 5] y) {{ a = MatMul (x, v) h = Relu (a)
        y = com.microsoft.MatMulNBits <K = {FEATURES}, N = {CLASSES}, bits = {bits}, block_size = {block}>
            (h, packed, scales, zeros, "", b) }}""",
        more={"packed": packed[:, None], "scales": scale, "zeros": zeros},
    )


def _by_hand() -> ModelProto:
    scale, zero = _steps(W, 8)
    q = np.clip(np.round(W / scale) + zero, 0, 255).astype(np.uint8)
    return _mlp(
        "c = Cast <to = 1> (q) d = Sub (c, z0) t = Mul (d, s) y = Gemm <transB = 1> (h, t, b)",
        more={"q": q, "z0": np.float32(zero), "s": scale},
    )()


def _fused(op: str) -> ModelProto:
    scale, zero = _steps(W, 8)
    q = np.clip(np.round(W.T / scale) + zero, 0, 255).astype(np.uint8)
    more = {"q": q, "s": scale, "z0": zero}
    body = f"y = com.microsoft.{op} (h, q, s, z0, b)"
    if op == "MatMulIntegerToFloat":
        body = f"g, gs, gz = DynamicQuantizeLinear (h) y = com.microsoft.{op} (g, q, gs, s, gz, z0, b)"
    return _mlp(body, more=more)()


EXPORTS = {one.name: one for one in _exports()}
