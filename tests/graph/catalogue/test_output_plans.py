"""Plans against the rules of docs/any-graph.md."""

from __future__ import annotations

import pytest
from onnx import TensorProto, TypeProto, helper

from onnx_ood.graph.catalogue.output_plans import Exit, OutputPlan, plan_output
from onnx_ood.graph.catalogue.type_protos import kind_of, rank_of, tensor_type

SIZED = tensor_type(TensorProto.FLOAT, 1)
SIZED.tensor_type.shape.dim[0].dim_value = 4
OPEN = tensor_type(TensorProto.FLOAT, 1)


@pytest.mark.parametrize(
    ("ops", "sized", "exits", "kind", "rank"),
    [
        ([], True, (), "tensor_type", 1),
        (["If"], True, (Exit.BRANCH,), "tensor_type", 1),
        (["Loop"], True, (Exit.STACK,), "tensor_type", 2),
        (["Loop"], False, (Exit.COLLECT,), "sequence_type", None),
        (["Scan"], False, (Exit.STACK,), "tensor_type", 2),
        (["Loop", "Loop"], False, (Exit.COLLECT, Exit.COLLECT), "sequence_type", None),
        (["If", "Loop"], True, (Exit.BRANCH, Exit.COLLECT), "sequence_type", None),
    ],
)
def test_exits_and_types(
    ops: list[str], sized: bool, exits: tuple[Exit, ...], kind: str, rank: int | None
) -> None:
    plan = plan_output(ops, SIZED if sized else OPEN, 17)
    assert isinstance(plan, OutputPlan)
    assert plan.exits == exits
    assert kind_of(plan.type) == kind
    assert rank_of(plan.type) == rank


@pytest.mark.parametrize(
    ("ops", "opset", "words"),
    [
        (["Loop"], 11, "operators of version 13 or newer, the model has 11"),
        (["Loop", "If", "Loop"], 13, "operators of version 14 or newer, the model has 13"),
        (["Scan"], 8, "older than version 9"),
        (["If", "Scan"], 17, "may differ from step to step"),
    ],
)
def test_refusals_give_the_reason(ops: list[str], opset: int, words: str) -> None:
    assert words in str(plan_output(ops, OPEN, opset))


FLOATS = helper.make_sequence_type_proto(OPEN)
MAYBE = helper.make_optional_type_proto(OPEN)


@pytest.mark.parametrize(
    ("ops", "type_proto", "opset", "exits"),
    [
        (["If"], FLOATS, 13, (Exit.BRANCH,)),
        (["If"], FLOATS, 12, "can return one from version 13 of the operators; the model has 12"),
        (["If"], MAYBE, 16, (Exit.BRANCH,)),
        (["If"], MAYBE, 15, "can return one from version 16 of the operators; the model has 15"),
        (["If"], OPEN, 1, (Exit.BRANCH,)),
        (["If"], None, 17, "a type that onnx cannot infer, inside an If"),
        (
            ["If"],
            helper.make_map_type_proto(TensorProto.INT64, OPEN),
            17,
            "inside an If, which cannot return one",
        ),
        (["Loop"], FLOATS, 17, "inside a Loop, which returns only tensors"),
        (["Loop"], None, 17, "a type that onnx cannot infer, inside a Loop"),
        (["Loop", "Scan"], OPEN, 17, "is in a Loop inside a Scan"),
        (["Loop", "Scan"], SIZED, 17, "its shape may differ from step to step"),
        # Empty in the branch not taken, so that no stack holds it.
        (["If", "Loop", "If"], SIZED, 17, (Exit.BRANCH, Exit.COLLECT, Exit.BRANCH)),
        (["If", "If"], SIZED, 17, (Exit.BRANCH, Exit.BRANCH)),
        (["Loop", "If"], SIZED, 17, (Exit.STACK, Exit.BRANCH)),
        (["Loop", "If", "Loop"], OPEN, 14, (Exit.COLLECT, Exit.BRANCH, Exit.COLLECT)),
    ],
)
def test_exits_of_every_kind_of_value(
    ops: list[str], type_proto: TypeProto | None, opset: int, exits: tuple[Exit, ...] | str
) -> None:
    """Versions are those in which onnx's If and Loop take the type."""
    plan = plan_output(ops, type_proto, opset)
    if isinstance(exits, str):
        assert exits in str(plan)
    else:
        assert isinstance(plan, OutputPlan)
        assert plan.exits == exits


BFLOAT16 = helper.make_tensor_type_proto(TensorProto.BFLOAT16, None)


@pytest.mark.parametrize(
    ("type_proto", "words"),
    [
        (helper.make_sparse_tensor_type_proto(TensorProto.FLOAT, [2]), "is a sparse tensor"),
        (helper.make_sequence_type_proto(BFLOAT16), "is a sequence of bfloat16 tensors"),
        (helper.make_optional_type_proto(BFLOAT16), "is an optional of bfloat16 tensors"),
        (
            helper.make_optional_type_proto(helper.make_sequence_type_proto(BFLOAT16)),
            "is an optional of bfloat16",
        ),
        (helper.make_optional_type_proto(FLOATS), None),
        (FLOATS, None),
        (MAYBE, None),
        (BFLOAT16, None),
        (None, None),
        (helper.make_map_type_proto(TensorProto.INT64, OPEN), None),
    ],
)
def test_values_that_no_output_can_be_have_a_reason(type_proto: TypeProto | None, words: str | None) -> None:
    plan = plan_output([], type_proto, 17)
    if words is None:
        assert isinstance(plan, OutputPlan)
        assert plan.exits == ()
    else:
        assert words in str(plan)
