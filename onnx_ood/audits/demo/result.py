"""The result of the demo: what the cosine drop told apart on real pictures, and what it got the wrong way round."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from onnx_ood.results.base import Part


class Area(Part):
    """An area under the ROC curve: 1 tells altered from original, 0.5 is a coin, 0 is the wrong way round."""

    value: float
    low: float = Field(description="Lower bound of the 95% confidence interval.")
    high: float = Field(description="Upper bound.")

    @property
    def verdict(self) -> Literal["detected", "inverted", "inconclusive"]:
        """What the interval allows to say."""
        if self.low > 0.5:
            return "detected"
        return "inverted" if self.high < 0.5 else "inconclusive"


class AlterationResult(Part):
    """One way of altering the photos, against the photos themselves."""

    kind: str
    drop_ratio: float = Field(description="Median over photos and probes of altered drop over original drop.")
    rotated_less: int = Field(description="Photos whose altered version turned less than the original.")
    published: Area = Field(description="Smaller cosine drop read as stranger, as published.")
    two_sided: Area = Field(description="Distance of the log drops from the photos', in either direction.")
    auto: Area = Field(description="The default verdict, learnt from the other half of the photos.")
    confidence: Area = Field(
        description="Smaller largest softmax probability read as stranger, for comparison."
    )
    same_answer: float = Field(description="Share of photos on which the model's answer stayed the same.")


class DemoResult(Part):
    """What the demo found."""

    format: Literal["onnx-ood/demo/1"] = Field(default="onnx-ood/demo/1", alias="schema")
    model: str
    photos: int
    probes: tuple[str, ...]
    copies: int
    scale: float
    provider: str
    provider_note: str
    placement: dict[str, int] = Field(description="Nodes, after fusion, by execution provider.")
    fallback_nodes: tuple[str, ...] = Field(
        description="Nodes that measuring added and that ran on the CPU although the model ran on CUDA: a bug."
    )
    answers: dict[str, str] = Field(description="The model's answer for each photo.")
    alterations: tuple[AlterationResult, ...]
