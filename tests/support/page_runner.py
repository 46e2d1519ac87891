"""Steps of a page, run in this process: as a shell would, without a start of the program for each command."""

from __future__ import annotations

import io
import os
import shlex
import subprocess
import sys
from contextlib import chdir, redirect_stdout
from pathlib import Path

from command import run
from sessions import COLUMNS, Step, without_progress


class PageRunner:
    """A session in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._code = 0

    def run(self, step: Step) -> tuple[str, int]:
        """Run a step; return its output on both streams, and its exit code."""
        if step.kind == "file":
            (self._folder / step.name).write_text(step.text)
            return "", 0
        if step.kind == "python":
            printed = io.StringIO()
            with chdir(self._folder), redirect_stdout(printed):
                exec(compile(step.text, "<page>", "exec"), {"__name__": "__main__"})
            return printed.getvalue(), 0
        words = shlex.split(step.text)
        if words == ["echo", "$?"]:
            return f"{self._code}\n", 0
        if words[0] == "onnx-ood":
            # Arguments go as they are typed: no page uses pipes, redirections or variables with it.
            done = run(*words[1:], folder=self._folder, COLUMNS=str(COLUMNS))
        else:
            path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
            done = subprocess.run(
                ["bash", "-c", step.text], cwd=self._folder, env={**os.environ, "PATH": path},
                capture_output=True, text=True, check=False, timeout=300,
            )  # fmt: skip
        self._code = done.returncode
        return done.stdout + without_progress(done.stderr), self._code
