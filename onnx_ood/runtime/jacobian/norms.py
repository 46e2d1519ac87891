"""Results of Jacobian norms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from onnx_ood._types import Float


@dataclass(frozen=True)
class JacobianNorms:
    """‖∂f/∂x‖_F of N inputs x.

    Attributes:
        norm: The norm, float64 [N], per unit of the site; NaN where an activation is not finite.
        standard_error: Its standard error over directions, float64 [N]; 0 if all directions were taken. It does not
            include the error of the differences; see `disagreement`.
        step: Length h of the nudge to either side, float64 [N], in units of the site.
        disagreement: Relative difference of the lengths of J q with the steps h and 2·h, root mean square over a few
            directions, float64 [N]: about the error of a single length, and more than that of the norm, in which
            rounding errors of directions cancel. NaN where an activation is not finite, and everywhere if the step was
            given.
        directions: m, the number of directions.
        function: The function f: `"softmax of 'logits'"` if the softmax is applied here, else the tensor in quotes.
        exact_fraction: Fraction of the differences of each input for which no unit of the pattern tensors switched
            between both sides, float64 [N]; None without pattern tensors.
        note: A warning about the rounding of half-precision models, or empty.
    """

    norm: Float
    standard_error: Float
    step: Float
    disagreement: Float
    directions: int
    function: str
    exact_fraction: Float | None
    note: str


@dataclass(frozen=True)
class JacobianCheck:
    """An estimate and the norm from all directions.

    Attributes:
        estimate: Norm from m directions.
        exact: Norm from as many directions as the input has elements.
        deviation: (estimate − exact) / exact, float64 [N].
        in_standard_errors: (estimate − exact) / standard error, float64 [N].
    """

    estimate: JacobianNorms
    exact: JacobianNorms

    @property
    def deviation(self) -> Float:
        """The relative error of the estimate, float64 [N]; NaN where the exact norm is 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.exact.norm > 0, self.estimate.norm / self.exact.norm - 1, np.nan)

    @property
    def in_standard_errors(self) -> Float:
        """The error of the estimate in units of its standard error, float64 [N]; NaN where that is 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            off = (self.estimate.norm - self.exact.norm) / self.estimate.standard_error
        return np.where(self.estimate.standard_error > 0, off, np.nan)
