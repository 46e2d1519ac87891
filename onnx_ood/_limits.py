"""Largest and smallest accepted counts. With more, a run would end neither soon nor with other results."""

MIN_REFERENCES = 10
"""References to learn from."""
MIN_SET_SIZE = 10
"""Inputs in a set for a meaningful AUROC."""
MAX_COPIES = 10_000
"""Nudged copies of an input. The standard error of a mean over them is a hundredth of their spread."""
MAX_BATCH_SIZE = 1_000_000
"""Inputs in one run of a model."""
MAX_INPUTS = 1_000_000_000
"""Inputs of a run, and entries of a report."""
MAX_DIRECTIONS = 1_000_000
"""Directions of a Jacobian norm; as many as the input has elements give it exactly."""
MAX_TRAJECTORIES = 10_000
"""Trajectories of each type."""
MAX_UNITS = 1_000_000
"""Units whose boundaries are traced."""
