"""Notes on models whose outputs depend on more than the input."""

from __future__ import annotations

from collections.abc import Sequence

from onnx_ood.graph import FedInput, Model, random_operators


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


def branching_notes(model: Model, fed: FedInput) -> tuple[str, ...]:
    """Note a model whose inputs of one run, of a fixed number, take one branch of an `If` together.

    Args:
        model: The model.
        fed: Its input that takes the batch.
    """
    together = fed.shape[0] if fed.shape else None
    if not isinstance(together, int) or together < 2 or not model.branches_by(fed.name):
        return ()
    return (
        f"The model takes {together} inputs at once, and their values together choose a branch of an If: numbers of an "
        "input can depend on the others of its run. Export the model with a batch of 1 or of any size.",
    )
