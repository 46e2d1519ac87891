"""Settings of the preprocess audit."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from onnx_ood._limits import MAX_INPUTS
from onnx_ood.audits._common import settings as common
from onnx_ood.audits._common.settings import Option, Settings


class PreprocessSettings(Settings):
    """Settings of the preprocess audit.

    Attributes:
        limit: Most photos to use, a random sample; rows of arrays and members of archives count one by one.
        answer: Output of the model that is its answer; None to find it.
        seed: Seed of the sample, of noise and of resamples.
        provider: Execution provider.
        batch_size: Photos in one run; None for what memory allows.
    """

    limit: Annotated[
        int,
        Field(
            ge=1, le=MAX_INPUTS, description="Most photos to use: a random sample, rows of files included."
        ),
        Option("Input"),
    ] = 48
    answer: common.Answer = None
    seed: common.Seed = 0
    provider: common.Provider = "auto"
    batch_size: common.BatchSize = None
