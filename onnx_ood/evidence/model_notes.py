"""Notes on models whose outputs depend on more than the input."""

from __future__ import annotations

from collections.abc import Sequence

from onnx_ood.graph import Model, random_operators


def randomness_notes(operators: Sequence[str]) -> tuple[str, ...]:
    """Note a model that is not deterministic.

    Args:
        operators: Operators that make it so; empty for a deterministic model.
    """
    if not operators:
        return ()
    return (
        f"The model gives different outputs for the same input ({', '.join(operators)}): numbers include its own "
        "randomness and differ from run to run.",
    )


def stored_randomness_notes(model: Model) -> tuple[str, ...]:
    """Note a model that can be random, because it holds operators that draw random numbers."""
    operators = random_operators(model)
    if not operators:
        return ()
    return (
        f"The model holds operators that can give different outputs for the same input ({', '.join(operators)}): if "
        "so, numbers include its own randomness and differ from run to run.",
    )
