"""Result of the demo: how well scores detect altered photos."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from onnx_ood.results.base import Part, Result


class Area(Part):
    """Area under the ROC curve of altered against original photos: 1 perfect, 0.5 chance, 0 inverted."""

    value: float
    low: float = Field(description="Lower bound of the 95% confidence interval.")
    high: float = Field(description="Upper bound.")

    @property
    def verdict(self) -> Literal["detected", "inverted", "inconclusive"]:
        """Direction that the interval supports."""
        if self.low > 0.5:
            return "detected"
        return "inverted" if self.high < 0.5 else "inconclusive"


class AlterationResult(Part):
    """One alteration of the photos, against the original photos."""

    kind: str
    drop_ratio: float = Field(description="Median over photos and probes of altered drop over original drop.")
    rotated_less: int = Field(description="Number of photos whose altered version has the smaller drop.")
    published: Area = Field(description="AUROC of a smaller cosine drop, as published.")
    two_sided: Area = Field(
        description="AUROC of the two-sided distance of the log drops from those of the photos."
    )
    auto: Area = Field(description="AUROC of the default detector, fitted to the other half of the photos.")
    confidence: Area = Field(description="AUROC of a smaller largest softmax probability, for comparison.")
    same_answer: float = Field(description="Share of photos with the same answer of the model.")


class DemoResult(Result):
    """Result of `onnx-ood demo`."""

    format: Literal["onnx-ood/demo/2"] = Field(default="onnx-ood/demo/2", alias="schema")
    model: str
    photos: int
    probes: tuple[str, ...]
    copies: int
    scale: float
    provider: str
    provider_note: str
    placement: dict[str, int] = Field(description="Nodes, after fusion, by execution provider.")
    fallback_nodes: tuple[str, ...] = Field(
        description="Added nodes that ran on the CPU although the model ran on CUDA: a bug."
    )
    answers: dict[str, str] = Field(description="The model's answer for each photo.")
    alterations: tuple[AlterationResult, ...] = Field(min_length=1)
