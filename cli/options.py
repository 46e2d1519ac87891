"""Options that commands share, with what they mean."""

from __future__ import annotations

from typing import Annotated

import typer

Generic = Annotated[
    bool,
    typer.Option(
        help="Let bundled photos stand for references where there are none, if the model takes colours."
    ),
]
Rate = Annotated[
    float, typer.Option(help="False-positive rate at which inputs are flagged as unlike the references.")
]
Provider = Annotated[str, typer.Option(help="auto, cuda or cpu.")]
BatchSize = Annotated[int | None, typer.Option(help="Inputs in one run. Default: what memory allows.")]
