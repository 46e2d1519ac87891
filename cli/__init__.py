"""The command line: one file a command; parses, calls one audit, renders."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

# Before numpy is imported: threads of BLAS spin while they wait, and take the time of the threads that run the model.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


class Terminated(KeyboardInterrupt):
    """The program was asked to end, by SIGTERM."""


def main() -> None:
    """Run the program. SIGTERM and Ctrl-C end it with one line, during imports too."""
    try:
        signal.signal(signal.SIGTERM, _terminate)
        from .main import main as run  # noqa: PLC0415 - takes a while

        run()
    except KeyboardInterrupt as error:
        sys.stderr.write("onnx-ood: interrupted\n")
        sys.exit(exit_code(error))


def exit_code(error: BaseException | None) -> int:
    """Return the exit code of an interruption, as shells have it: 128 and the number of the signal.

    Args:
        error: The interruption, or what was raised from it.
    """
    while error is not None and not isinstance(error, Terminated):
        error = error.__cause__ or error.__context__
    return 128 + (signal.SIGINT if error is None else signal.SIGTERM)


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise Terminated


__all__ = ["main"]
