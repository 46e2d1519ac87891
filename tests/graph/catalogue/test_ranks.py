"""Ranks beyond onnx's inference, against values that onnx's reference computes."""

from __future__ import annotations

import numpy as np
import pytest
import small_models
from onnx import TensorProto, TypeProto, helper
from onnx.reference import ReferenceEvaluator

from onnx_ood.graph.catalogue.ranks import is_ranked, result_type
from onnx_ood.graph.catalogue.type_protos import rank_of, tensor_type

X = small_models.normal(2, 3, 4)
ANY_RANK = tensor_type(TensorProto.FLOAT)


def types_of(weights: dict[str, np.ndarray], rank: int | None = 3) -> dict[str, TypeProto]:
    """Types as inference leaves them: the input's rank, and lengths of vectors, but no values."""
    found = {
        name: helper.make_tensor_type_proto(helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
        for name, value in weights.items()
    }
    return found | {"x": tensor_type(TensorProto.FLOAT, rank), "y": ANY_RANK}


@pytest.mark.parametrize(
    ("body", "weights"),
    [
        ("y = Reshape (x, k)", {"k": np.array([2, 12])}),
        ("y = Reshape (x, k)", {"k": np.array([4, 3, 2, 1])}),
        ("y = Tile (x, k)", {"k": np.array([1, 2, 1])}),
        ("y = Slice (x, k, m)", {"k": np.array([0]), "m": np.array([1])}),
        ("y = Expand (x, k)", {"k": np.array([5, 1, 1, 1])}),
        ("y = Expand (x, k)", {"k": np.array([4])}),
        ("y = Unsqueeze (x, k)", {"k": np.array([0, 4])}),
        ("y = ReduceSum (x, k)", {"k": np.array([0, 1])}),
        ("y = ReduceSum <keepdims = 1> (x, k)", {"k": np.array([1])}),
        ("y = ReduceSum <keepdims = 0> (x, k)", {"k": np.array([1])}),
    ],
)
def test_the_rank_is_that_of_the_value(body: str, weights: dict[str, np.ndarray]) -> None:
    model = small_models.build(f"g (float[a, b, c] x) => (y) {{ {body} }}", weights)
    value = ReferenceEvaluator(model).run(None, {"x": X})[0]
    found = result_type(model.graph.node[0], 0, {}, {}, types_of(weights))
    assert rank_of(found) == value.ndim
    assert found.tensor_type.elem_type == TensorProto.FLOAT


def test_squeezing_one_axis_leaves_one_less() -> None:
    model = small_models.build("g (float[a, 1, c] x) => (y) { y = Squeeze (x, k) }", {"k": np.array([1])})
    found = result_type(model.graph.node[0], 0, {}, {}, types_of({"k": np.array([1])}))
    assert rank_of(found) == 2


@pytest.mark.parametrize(
    ("body", "weights"),
    [
        # Two axes may be the same one, and a scalar has none to lose.
        ("y = Squeeze (x, k)", {"k": np.array([1, 1])}),
        ("y = ReduceSum <keepdims = 0> (x, k)", {"k": np.array([0, 0])}),
        ("y = ReduceSum <keepdims = 0> (x)", {}),
        ("y = Squeeze (x)", {}),
        # Not a vector.
        ("y = Reshape (x, k)", {"k": np.array([[2, 12]])}),
        ("y = Gather (x, k)", {"k": np.array([0])}),
        ("y = my.Tile (x, k)", {"k": np.array([1, 2, 1])}),
    ],
)
def test_what_does_not_follow_stays_open(body: str, weights: dict[str, np.ndarray]) -> None:
    model = small_models.build(f"g (float[a, b, c] x) => (y) {{ {body} }}", weights, domains=["my"])
    assert result_type(model.graph.node[0], 0, {}, {}, types_of(weights)) is None


@pytest.mark.parametrize("body", ["y = Tile (x, k)", "y = Unsqueeze (x, k)", "y = Expand (x, k)"])
def test_without_the_first_rank_there_is_no_other(body: str) -> None:
    model = small_models.build(f"g (float[a] x) => (y) {{ {body} }}")
    assert result_type(model.graph.node[0], 0, {}, {}, types_of({"k": np.array([1])}, None)) is None


def test_a_scalar_loses_no_axis() -> None:
    for body in ("y = Squeeze (x, k)", "y = ReduceSum <keepdims = 0> (x, k)"):
        node = small_models.build(f"g (float x) => (y) {{ {body} }}").graph.node[0]
        assert result_type(node, 0, {}, {}, types_of({"k": np.array([0])}, 0)) is None


def test_a_known_rank_is_not_found_again() -> None:
    node = small_models.build("g (float[a, b, c] x) => (y) { y = Tile (x, k) }").graph.node[0]
    known = types_of({"k": np.array([1, 1, 1])}) | {"y": tensor_type(TensorProto.FLOAT, 3)}
    assert result_type(node, 0, {}, {}, known) is None


def test_only_operators_that_keep_the_type_give_one_to_results_without_any() -> None:
    """The element type of a Reshape is that of its input too, but not that of every operator with a rank."""
    kinds = types_of({"k": np.array([1, 1, 1])})
    del kinds["y"]
    tile, shape = (
        small_models.build(f"g (float[a, b, c] x) => (y) {{ y = {op} (x, k) }}").graph.node[0]
        for op in ("Tile", "Unsqueeze")
    )
    assert result_type(tile, 0, {}, {}, kinds) == tensor_type(TensorProto.FLOAT, 3)
    assert result_type(shape, 0, {}, {}, kinds) is None


def test_a_dropout_s_mask_has_the_shape_of_its_input() -> None:
    node = small_models.build("g (float[2, 3] x) => (y) { y, mask = Dropout (x) }").graph.node[0]
    given = helper.make_tensor_type_proto(TensorProto.FLOAT, [2, 3])
    assert result_type(node, 1, {}, {}, {"x": given}) == given
    assert result_type(node, 1, {}, {}, {"x": ANY_RANK}) is None


@pytest.mark.parametrize(
    ("op", "i", "rank"),
    [
        ("LinearClassifier", 1, 2),
        ("TreeEnsembleClassifier", 1, 2),
        ("SVMClassifier", 0, None),
        ("LinearRegressor", 0, 2),
        ("TreeEnsembleRegressor", 1, None),
        ("Scaler", 0, 3),
        ("Normalizer", 0, 3),
        ("Imputer", 0, None),
    ],
)
def test_operators_of_the_other_domain_have_ranks_by_their_definitions(
    op: str, i: int, rank: int | None
) -> None:
    """https://onnx.ai/onnx/operators/onnx_aionnxml.html: scores are [N, classes], labels [N], scaled features alike."""
    node = helper.make_node(op, ["x"], ["label", "scores"], domain="ai.onnx.ml")
    given = helper.make_tensor_type_proto(TensorProto.INT64, ["N", 3, 4])
    found = result_type(node, i, {}, {}, {"x": given})
    assert rank_of(found) == rank
    if found is not None:
        assert found.tensor_type.elem_type == TensorProto.FLOAT
    if op in {"Scaler", "Normalizer"}:
        assert found.tensor_type.shape == given.tensor_type.shape
        assert result_type(node, i, {}, {}, {"x": ANY_RANK}) is None


@pytest.mark.parametrize(
    ("condition", "rank"),
    [(np.array(True), 1), (np.array([False]), 2), (np.array([True, False]), None), (None, None)],
)
def test_a_constant_condition_gives_the_type_of_its_branch(
    condition: np.ndarray | None, rank: int | None
) -> None:
    node = small_models.build(
        """
        g (float[N] x, bool c) => (y) {
            y = If (c) <
                then_branch = one () => (float[3] t) { t = Neg (x) },
                else_branch = two () => (float[3, 4] e) { e = Neg (x) }
            >
        }
        """
    ).graph.node[0]
    inner = {attribute.name: attribute.g for attribute in node.attribute}
    values = {} if condition is None else {"c": condition}
    found = result_type(node, 0, inner, values, {"y": ANY_RANK})
    assert rank_of(found) == rank
    # What onnx infers for both branches, the rank, is less than the sizes of the one taken.
    both = {"y": tensor_type(TensorProto.FLOAT, rank or 1)}
    better = result_type(node, 0, inner, values, both)
    assert (better is None) == (rank is None)
    sized = {"y": helper.make_tensor_type_proto(TensorProto.FLOAT, [3])}
    assert result_type(node, 0, inner, values, sized) is None


@pytest.mark.parametrize(
    ("given", "ranked"),
    [
        (None, False),
        (TypeProto(), False),
        (ANY_RANK, False),
        (tensor_type(TensorProto.FLOAT, 0), True),
        (helper.make_sequence_type_proto(ANY_RANK), True),
    ],
)
def test_only_tensors_can_lack_a_rank(given: TypeProto | None, ranked: bool) -> None:
    assert is_ranked(given) is ranked
