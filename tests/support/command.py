"""The command line in this process, as a shell sees it."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, chdir, contextmanager
from pathlib import Path
from typing import BinaryIO
from unittest.mock import patch

from onnx_ood.cli.main import run as run_program
from sessions import without_progress


def run(
    *arguments: object, stdin: str = "", folder: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run `onnx-ood` with arguments.

    Args:
        arguments: Arguments after the program's name.
        stdin: Text on standard input.
        folder: Working directory, or None for the current one.
        environment: Variables added to the environment. Streams have the encoding of PYTHONIOENCODING.

    Returns:
        Exit code and both streams, including writes of native code.
    """
    encoding = environment.get("PYTHONIOENCODING", "utf-8")
    with ExitStack() as stack:
        stack.enter_context(patch.dict(os.environ, environment))
        stack.enter_context(patch.object(sys, "stdin", io.StringIO(stdin)))
        files = [stack.enter_context(_redirected(name, encoding)) for name in ("stdout", "stderr")]
        if folder is not None:
            stack.enter_context(chdir(folder))
        code = run_program([str(one) for one in arguments])
        # A broken stream is replaced by None.
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()
        written = [_content(file).decode(encoding) for file in files]
    return subprocess.CompletedProcess(arguments, code, *written)


def messages(done: subprocess.CompletedProcess[str]) -> str:
    """Return standard error without the lines at the start of phases."""
    return without_progress(done.stderr)


@contextmanager
def _redirected(name: str, encoding: str) -> Iterator[BinaryIO]:
    """Send a standard stream and its file descriptor to a temporary file."""
    number = {"stdout": 1, "stderr": 2}[name]
    kept = os.dup(number)
    try:
        with tempfile.TemporaryFile(buffering=0) as file:
            os.dup2(file.fileno(), number)
            with (
                io.TextIOWrapper(os.fdopen(os.dup(number), "wb", 0), encoding, write_through=True) as stream,
                patch.object(sys, name, stream),
            ):
                yield file
    finally:
        os.dup2(kept, number)
        os.close(kept)


def _content(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read()
