"""The command line: one file a command; parses, calls one audit, renders."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import ClassVar, NoReturn

# Before numpy is imported: threads of BLAS spin while they wait, and take the time of the threads that run the model.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


class Interrupted(BaseException):
    """SIGINT (Ctrl-C) or SIGTERM. Unlike a KeyboardInterrupt it is not handled by libraries.

    Attributes:
        last: The last one that a signal raised, or None. Initialisation of C extensions replaces it by an ImportError.
        exit_code: Exit code of the program, as shells have it: 128 and the number of the signal.
        message: Message for the user; a command that can be resumed says how.
    """

    last: ClassVar[Interrupted | None] = None

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number
        self.message = "interrupted"


def main() -> None:
    """Run the program. SIGTERM and Ctrl-C end it with one line, during imports too."""
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _interrupt)
        from .main import main as run  # noqa: PLC0415 - takes a while

        run()
    except Interrupted as error:
        _end(error)
    except Exception:
        if Interrupted.last is None:
            raise
        _end(Interrupted.last)


def _end(error: Interrupted) -> NoReturn:
    sys.stderr.write(f"onnx-ood: {error.message}\n")
    sys.exit(error.exit_code)


def _interrupt(number: int, _frame: FrameType | None) -> NoReturn:
    Interrupted.last = Interrupted(number)
    raise Interrupted.last


__all__ = ["main"]
