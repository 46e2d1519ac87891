"""The command line in this process, as a shell sees it."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from unittest.mock import patch

from onnx_ood.cli.main import run as run_program


def run(*arguments: object, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Exit code and both streams of `onnx-ood` with arguments; a stream has the encoding of PYTHONIOENCODING."""
    encoding = environment.get("PYTHONIOENCODING", "utf-8")
    streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True) for _ in range(2)]
    with (
        patch.dict(os.environ, environment),
        patch.object(sys, "stdin", io.StringIO(stdin)),
        patch.object(sys, "stdout", streams[0]),
        patch.object(sys, "stderr", streams[1]),
    ):
        code = run_program([str(one) for one in arguments])
    written = [stream.buffer.getvalue().decode(encoding) for stream in streams]  # type: ignore[attr-defined]
    return subprocess.CompletedProcess(arguments, code, *written)
