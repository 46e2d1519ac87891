"""Plans against the rules of docs/any-graph.md."""

from __future__ import annotations

import pytest
from onnx import TensorProto

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
