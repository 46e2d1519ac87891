"""The answer of a classifier against onnx's reference and scipy's softmax."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import small_models
from onnx.reference import ReferenceEvaluator
from scipy.special import log_softmax, softmax

import onnx_ood
from onnx_ood.exceptions import UsageError
from onnx_ood.graph import ClassScores, find_answer, gives_probabilities, why_no_answer
from onnx_ood.graph.answer import why_no_scores

WEIGHTS = {
    "w": small_models.normal(4, 5),
    "v": small_models.normal(5, 3, seed=1),
    "m": small_models.normal(4, 3, seed=2),
    "shape": np.array([-1, 5], np.int64),
    "one": np.array([1], np.int64),
    "ends": np.array([2, 3], np.int64),
    "step": np.float32(2**-7),
    "zero": np.uint8(0),
    "names": np.array([3, 5, 7, 11, 13], np.int64),
}
X = small_models.normal(6, 4, seed=3)


def model(
    body: str, save, outputs: str = "float[N, 5] y", domains: tuple[str, ...] = (), opset: int = 17
) -> onnx_ood.Model:
    text = f"net (float[N, 4] x) => ({outputs}) {{ h = Gemm (x, w) {body} }}"
    return onnx_ood.load(save(small_models.build(text, WEIGHTS, domains, opset)))


def values_in(loaded: onnx_ood.Model, *names: str) -> list[np.ndarray]:
    """Tensors of a model by onnx's reference."""
    return ReferenceEvaluator(small_models.marked(loaded.proto, list(names))).run(list(names), {"x": X})


@pytest.mark.parametrize(
    "body",
    [
        "y = Softmax (h)",
        "y = Sigmoid (h)",
        "p = Softmax (h) q = Identity (p) y = Cast <to = 11> (q)",
        "p = Softmax (h) y = Reshape (p, shape)",
        'y = ai.onnx.ml.Normalizer <norm = "L1"> (h)',
        "l = LogSoftmax (h) y = Exp (l)",
    ],
)
def test_probabilities_are_recognised_in_whatever_shape(body: str, save) -> None:
    assert gives_probabilities(model(body, save, "y", ("ai.onnx.ml",)), "y")


@pytest.mark.parametrize(
    "body",
    [
        "y = Relu (h)",
        "y = LogSoftmax (h)",
        "p = Softmax (h) y = Gemm (p, v)",
        "p = Softmax (h) y = Log (p)",
        "y = Identity (x)",
        "y = Exp (h)",
    ],
)
def test_everything_else_is_no_probability(body: str, save) -> None:
    assert not gives_probabilities(model(body, save, "y"), "y")


SHIFTED = "t = ReduceMax <axes = [1]> (h) s = Sub (h, t) "
FORMS = {
    "softmax": "y = Softmax (h)",
    "named axis": "y = Softmax <axis = 1> (h)",
    "behind others": "p = Softmax (h) q = Dropout (p) y = Identity (q)",
    "four axes": "a = Unsqueeze (h, ends) p = Softmax <axis = 1> (a) y = Reshape (p, shape)",
    "quantized": "p = Softmax (h) q = QuantizeLinear (p, step, zero) y = DequantizeLinear (q, step, zero)",
    "decomposed": "e = Exp (h) t = ReduceSum (e, one) y = Div (e, t)",
    "shifted": SHIFTED + "e = Exp (s) u = ReduceSum (e, one) y = Div (e, u)",
    "reciprocal": SHIFTED + "e = Exp (s) u = ReduceSum (e, one) r = Reciprocal (u) y = Mul (r, e)",
    "exponential": "l = LogSoftmax (h) y = Exp (l)",
}
LOGARITHMS = {
    "softmax": "y = LogSoftmax (h)",
    "outside": "p = Softmax (h) y = Log (p)",
    "sum": SHIFTED + "e = Exp (s) u = ReduceSum (e, one) l = Log (u) y = Sub (s, l)",
    "reduction": "l = ReduceLogSumExp <axes = [1]> (h) y = Sub (h, l)",
}


@pytest.mark.parametrize("form", FORMS)
def test_a_softmax_in_any_form_has_its_logits_read(form: str, save) -> None:
    loaded = model(FORMS[form], save, opset=19 if form == "quantized" else 17)
    answer = find_answer(loaded)
    assert answer is not None
    assert (answer.output, answer.kind) == ("y", "distribution")
    assert answer.scores is not None
    assert not answer.scores.probabilities
    output, logits = values_in(loaded, "y", answer.scores.name)
    tolerance = 2**-8 if form == "quantized" else 1e-6
    np.testing.assert_allclose(softmax(logits.reshape(6, 5), axis=1), output, atol=tolerance)
    np.testing.assert_allclose(logits.reshape(6, 5), X @ WEIGHTS["w"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("form", LOGARITHMS)
def test_so_has_its_logarithm(form: str, save) -> None:
    loaded = model(LOGARITHMS[form], save)
    answer = find_answer(loaded)
    assert answer is not None
    assert (answer.output, answer.kind) == ("y", "log_probabilities")
    assert answer.scores is not None
    output, logits = values_in(loaded, "y", answer.scores.name)
    np.testing.assert_allclose(log_softmax(logits, axis=1), output, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "body",
    [
        "y = Softmax <axis = 0> (h)",
        "e = Exp (h) k = Exp (x) s = ReduceSum (k, one) y = Div (e, s)",
        "e = Exp (h) s = ReduceSum (e) y = Div (e, s)",
        "r = Relu (h) y = Exp (r)",
    ],
)
def test_what_only_looks_like_a_softmax_is_none(body: str, save) -> None:
    answer = find_answer(model(body, save))
    assert answer is not None
    assert (answer.output, answer.kind, answer.scores) == ("y", "unknown", None)


@pytest.mark.parametrize(
    ("body", "outputs", "found", "scores"),
    [
        ("y = Identity (h)", "float[N, 5] y", ("y", "logits"), ClassScores("y", probabilities=False)),
        ("y = Sigmoid (h)", "float[N, 5] y", ("y", "independent"), ClassScores("y", probabilities=True)),
        # Features, an auxiliary and the logits: the last is computed from the others.
        (
            "f = Relu (h) a = Gemm (f, v) r = Relu (a) y = Softmax (a)",
            "float[N, 5] f, float[N, 5] h, float[N, 3] y",
            ("y", "distribution"),
            ClassScores("a", probabilities=False),
        ),
        # A regression next to a softmax.
        (
            "b = Gemm (x, m) y = Softmax (h)",
            "float[N, 3] b, float[N, 5] y",
            ("y", "distribution"),
            ClassScores("h", probabilities=False),
        ),
        # Logits and their softmax are one answer, read from the first of them.
        (
            "y = Identity (h) p = Softmax (h)",
            "float[N, 5] y, float[N, 5] p",
            ("y", "logits"),
            ClassScores("y", probabilities=False),
        ),
        # A feature map next to logits.
        (
            "m4 = Unsqueeze (x, ends) y = Identity (h)",
            "float[N, 4, 1, 1] m4, float[N, 5] y",
            ("y", "logits"),
            ClassScores("y", probabilities=False),
        ),
    ],
)
def test_the_answer_is_found_among_all_outputs(
    body: str, outputs: str, found: tuple[str, str], scores: ClassScores, save
) -> None:
    answer = find_answer(model(body, save, outputs))
    assert answer is not None
    assert (answer.output, answer.kind) == found
    assert answer.scores == scores
    assert answer.label is None


def test_a_label_goes_with_the_scores_that_it_is_the_largest_of(save) -> None:
    body = "a = ArgMax <axis = 1, keepdims = 0> (h) "
    loaded = model(body + "label = Identity (a) y = Softmax (h)", save, "int64[N] label, float[N, 5] y")
    answer = find_answer(loaded)
    assert answer is not None
    assert (answer.output, answer.label, answer.classes) == ("y", "label", ())
    named = model(body + "label = Gather (names, a)", save, "int64[N] label")
    answer = find_answer(named)
    assert answer is not None
    assert (answer.output, answer.label, answer.classes) == (None, "label", (3, 5, 7, 11, 13))
    assert answer.scores == ClassScores("h", probabilities=False)


def test_several_answers_are_none_and_one_can_be_named(save) -> None:
    loaded = model("a = Gemm (x, m) p = Softmax (a) y = Softmax (h)", save, "float[N, 3] p, float[N, 5] y")
    assert find_answer(loaded) is None
    assert why_no_answer(loaded) == "several outputs may be the answer ('p', 'y'); name the answer"
    assert why_no_scores(loaded) == why_no_answer(loaded)
    named = find_answer(loaded, "y")
    assert named is not None
    assert named.scores == ClassScores("h", probabilities=False)
    with pytest.raises(UsageError, match=r"answer='z' is not an output of .*outputs: p, y|answer=z is not"):
        find_answer(loaded, "z")


def test_an_output_without_a_row_per_input_is_refused_with_its_shape(save) -> None:
    text = "net (float[N, 4] x) => (float[N, 4, 7] y) { y = Expand (e, s) e = Unsqueeze (x, one) }"
    text = "net (float[N, 4, 7] x) => (float[N, 4, 7] y) { y = Relu (x) }"
    loaded = onnx_ood.load(save(small_models.build(text)))
    assert find_answer(loaded) is None
    assert why_no_answer(loaded) == (
        "no output is one row of class scores or a label for each input: 'y' [N, 4, 7]"
    )
    with pytest.raises(UsageError, match=r"has shape \[N, 4, 7\], not one row of class scores"):
        find_answer(loaded, "y")


def test_a_single_row_is_an_answer_whose_scores_are_unknown(save) -> None:
    loaded = model("y = Relu (h)", save)
    answer = find_answer(loaded)
    assert answer is not None
    assert (answer.output, answer.scores) == ("y", None)
    assert why_no_answer(loaded) is None
    assert "neither a softmax nor a linear layer" in (why_no_scores(loaded) or "")


TREE = """{name} = ai.onnx.ml.TreeEnsembleClassifier <
    nodes_treeids = [0, 0, 0], nodes_nodeids = [0, 1, 2], nodes_featureids = [1, 0, 0],
    nodes_values = [0.5, 0.0, 0.0], nodes_modes = ["BRANCH_LEQ", "LEAF", "LEAF"],
    nodes_truenodeids = [1, 0, 0], nodes_falsenodeids = [2, 0, 0],
    class_treeids = [0, 0, 0, 0], class_nodeids = [1, 1, 2, 2], class_ids = [0, 1, 0, 2],
    class_weights = [0.75, 0.25, 0.125, 0.875], classlabels_strings = ["ant", "bee", "cow"],
    post_transform = "NONE"> (x)"""


def test_a_tree_ensemble_answers_with_labels_and_probabilities(save) -> None:
    text = f"net (float[N, 4] x) => (string[N] label, float[N, 3] p) {{ {TREE.format(name='label, p')} }}"
    loaded = onnx_ood.load(save(small_models.build(text, domains=("ai.onnx.ml",))))
    answer = find_answer(loaded)
    assert answer is not None
    assert (answer.output, answer.label, answer.kind) == ("p", "label", "distribution")
    assert (answer.scores, answer.classes) == (ClassScores("p", probabilities=True), ("ant", "bee", "cow"))
    result = onnx_ood.score(loaded, X, detectors="msp", provider="cpu")
    right = np.where(X[:, 1] <= 0.5, "ant", "cow")
    for entry in result.inputs:
        row = int(entry.id.removeprefix("inputs[").removesuffix("]"))
        assert entry.prediction is not None
        assert entry.prediction.label == right[row]
        assert entry.prediction.probability == {"ant": 0.75, "cow": 0.875}[str(right[row])]


def test_maps_from_class_to_probability_are_the_answer_in_the_order_of_the_runtime(save) -> None:
    """The runtime sorts a map's keys; the classifier lists its classes in another order."""
    tree = TREE.format(name="label, p").replace('["ant", "bee", "cow"]', '["cow", "bee", "ant"]')
    text = f"""net (float[N, 4] x) => (string[N] label, seq(map(string, float)) maps) {{
        {tree} maps = ai.onnx.ml.ZipMap <classlabels_strings = ["cow", "bee", "ant"]> (p) }}"""
    loaded = onnx_ood.load(save(small_models.build(text, domains=("ai.onnx.ml",))))
    answer = find_answer(loaded)
    assert answer is not None
    assert (answer.output, answer.label, answer.kind) == ("maps", "label", "distribution")
    assert (answer.scores, answer.classes) == (ClassScores("p", probabilities=True), ("ant", "bee", "cow"))
    result = onnx_ood.score(loaded, X, detectors="msp", provider="cpu")
    right = np.where(X[:, 1] <= 0.5, "cow", "ant")
    for entry in result.inputs:
        row = int(entry.id.removeprefix("inputs[").removesuffix("]"))
        assert entry.prediction is not None
        assert entry.prediction.label == right[row]
        assert entry.prediction.probability == {"cow": 0.75, "ant": 0.875}[str(right[row])]


@pytest.mark.parametrize(
    ("kind", "keys", "names"),
    [
        ("string", 'strings = ["cow", "bee", "ant"]', ["ant", "bee", "cow"]),
        ("int64", "int64s = [7, -2, 5]", ["-2", "5", "7"]),
        ("int64", "int64s = [0, 1, 2]", [None] * 3),
    ],
)
def test_maps_without_labels_name_the_predictions(
    kind: str, keys: str, names: list[str | None], save
) -> None:
    text = f"""net (float[N, 4] x) => (seq(map({kind}, float)) maps) {{
        h = MatMul (x, w) p = Softmax (h) maps = ai.onnx.ml.ZipMap <classlabels_{keys}> (p) }}"""
    path = save(small_models.build(text, {"w": small_models.normal(4, 3)}, domains=("ai.onnx.ml",)))
    (maps,) = onnxruntime.InferenceSession(path).run(None, {"x": X})
    result = onnx_ood.score(path, X, detectors="msp", provider="cpu")
    assert len(result) == len(X)
    for entry in result.inputs:
        probabilities = maps[int(entry.id.removeprefix("inputs[").removesuffix("]"))]
        best = max(probabilities, key=probabilities.get)
        assert entry.prediction is not None
        assert entry.prediction.probability == pytest.approx(probabilities[best])
        assert entry.prediction.label == (None if None in names else str(best))
        assert entry.prediction.index == sorted(probabilities).index(best)
        assert entry.prediction.label == names[entry.prediction.index]


@pytest.mark.parametrize(("factor", "kind"), [(1.0, "distribution"), (2.0, "unknown")])
def test_a_product_with_one_changes_nothing(factor: float, kind: str, save) -> None:
    """As LightGBM's converter names its output of probabilities."""
    text = "net (float[N, 4] x) => (float[N, 5] y) { h = Gemm (x, w) p = Softmax (h) y = Mul (p, factor) }"
    weights = {"w": WEIGHTS["w"], "factor": np.float32(factor)}
    answer = find_answer(onnx_ood.load(save(small_models.build(text, weights))))
    assert answer is not None
    assert answer.kind == kind
