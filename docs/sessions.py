"""Commands and outputs that pages show: read them, run them, compare them, write them again.

A page is a session in one folder, run from top to bottom:

- A `console` block whose lines begin with `$ ` shows commands with their output. The lines of any other `console`
  block are commands alone, and so are those after `# ` comments.
- A `python` block is run. A `text` block directly below it is what it prints.
- A block with a title, as in ```` ```toml title="onnx-ood.toml" ````, is a file, written before the next command runs.

Output is compared by `difference`. Reports are drawn for 80 columns.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from contextlib import suppress
from pathlib import Path
from threading import Timer
from types import TracebackType
from typing import NamedTuple, Protocol, Self

COLUMNS = 80
TIMEOUT = 600.0
_BLOCK = re.compile(r'^```(\w+)(?: title="([^"\n]+)")?\n(.*?)^```\n', re.DOTALL | re.MULTILINE)
_DECIMAL = re.compile(r"(?<![\w.])-?\d+\.\d+(?:e[+-]?\d+)?(?![\w.]*\.\d)")


class Step(NamedTuple):
    """A command, a file or a program of a page.

    Attributes:
        kind: "console", "python" or "file".
        text: The command as typed, the code, or the content of the file.
        name: Name of the file; empty for other kinds.
        shown: The output in the page; None if the page shows none.
        place: Start and end of `shown` in the page.
    """

    kind: str
    text: str
    name: str = ""
    shown: str | None = None
    place: tuple[int, int] = (0, 0)


class Runner(Protocol):
    """A place where the steps of a page are run."""

    def run(self, step: Step) -> tuple[str, int]:
        """Run a step; return its output on both streams, and its exit code."""
        ...


def read_steps(page: str) -> list[Step]:
    """Read the steps of a Markdown page, in their order."""
    steps: list[Step] = []
    code_end = -1
    for found in _BLOCK.finditer(page):
        kind, name, body = found[1], found[2] or "", found[3]
        if name:
            steps.append(Step("file", body, name))
        elif kind == "console":
            steps += _commands(body, found.start(3))
        elif kind == "python":
            steps.append(Step("python", body))
        elif kind == "text" and code_end in {found.start(), found.start() - 1}:
            steps[-1] = steps[-1]._replace(shown=body, place=found.span(3))
        code_end = found.end() if kind == "python" and not name else -1
    return steps


def _commands(body: str, start: int) -> list[Step]:
    lines = re.sub(r"\\\n", "  ", body).splitlines(keepends=True)  # As long as before: places still hold.
    with_output = any(line.startswith("$ ") for line in lines)
    steps: list[Step] = []
    for line in lines:
        place = (start, start + len(line))
        start += len(line)
        if with_output and not line.startswith("$ "):
            shown, (first, _) = steps[-1].shown or "", steps[-1].place
            steps[-1] = steps[-1]._replace(shown=shown + line, place=(first, place[1]))
        elif line.strip() and not line.startswith("#"):
            command = re.sub(r"(?<=\S)\s+#\s.*", "", line.strip()).removeprefix("$ ")
            steps.append(Step("console", command, "", "" if with_output else None, (place[1], place[1])))
    return steps


def difference(shown: str, printed: str) -> str:
    """Find the first line of an output that differs from the one in the page.

    Runs of spaces and of lines (─) are equal, whatever their length. A number with a decimal point may differ by one in
    its last digit, because processors round differently; all else must be equal.

    Returns:
        Both lines, or "" if the outputs are equal.
    """
    ours, theirs = (
        [re.sub(r"─+", "─", re.sub(r"\s+", " ", line)).strip() for line in text.rstrip().splitlines()]
        for text in (shown, printed)
    )
    for one, other in zip(ours, theirs, strict=False):
        if not _equal(one, other):
            return f"shown:   {one}\nprinted: {other}"
    if len(ours) != len(theirs):
        more, name = (ours, "shown") if len(ours) > len(theirs) else (theirs, "printed")
        return f"only {name}: {more[min(len(ours), len(theirs))]}"
    return ""


def _equal(one: str, other: str) -> bool:
    ours, theirs = _DECIMAL.findall(one), _DECIMAL.findall(other)
    return (
        _DECIMAL.sub("0.", one) == _DECIMAL.sub("0.", other)
        and len(ours) == len(theirs)
        and all(map(_close, ours, theirs))
    )


def _close(one: str, other: str) -> bool:
    decimals, others = (len(number.partition("e")[0].partition(".")[2]) for number in (one, other))
    last_place = 10.0 ** (int(one.partition("e")[2] or 0) - decimals)
    return decimals == others and abs(float(one) - float(other)) <= 1.001 * last_place


def written_again(page: str, outputs: list[str]) -> str:
    """Return a page with other outputs, one for each step; steps without a shown output keep none."""
    for step, output in reversed(list(zip(read_steps(page), outputs, strict=True))):
        if step.shown is not None:
            start, end = step.place
            lines = [line.rstrip() for line in output.rstrip().splitlines()]
            page = page[:start] + "".join(f"{line}\n" for line in lines) + page[end:]
    return page


def without_progress(output: str) -> str:
    """Leave out the lines that a run without a terminal prints at the start of its phases; pages show none."""
    lines = output.splitlines(keepends=True)
    return "".join(line for line in lines if line.startswith("onnx-ood:") or not line.endswith("...\n"))


class Shell:
    """A new user's shell in a folder: an empty environment, and a home folder of its own."""

    def __init__(self, folder: Path, home: Path) -> None:
        home.mkdir(exist_ok=True)
        environment = [f"HOME={home}", "PATH=/usr/bin:/bin", "TERM=dumb", f"COLUMNS={COLUMNS}"]
        self._process = subprocess.Popen(
            ["env", "-i", *environment, "bash", "--noprofile", "--norc"],
            cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, encoding="utf-8",
        )  # fmt: skip
        self._folder = folder

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def run(self, step: Step) -> tuple[str, int]:
        """Type a command, or a program for Python; or write a file."""
        if step.kind == "file":
            return self.run(Step("console", f"cat > {shlex.quote(step.name)} <<'END'\n{step.text}END"))
        command = step.text
        if step.kind == "python":
            command = f"python -W error - <<'END'\n{step.text}END"
        mark = "--- end of the output, exit code "
        timer = Timer(TIMEOUT, self._process.kill)
        timer.start()
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            stdin.write(
                f"{{ {command}\n}} < /dev/null\n(code=$?; printf '\\n{mark}%d\\n' $code; exit $code)\n"
            )
            stdin.flush()
            lines: list[str] = []
            for line in stdout:
                if line.startswith(mark):
                    return without_progress("".join(lines)).removesuffix("\n"), int(line.removeprefix(mark))
                lines.append(line)
        finally:
            timer.cancel()
        raise RuntimeError(f"the shell ended in: {command}\n{''.join(lines)}")


def checkout(root: Path, folder: Path) -> Path:
    """Fill a folder with links to everything in a checkout, so that outputs of a page's commands stay out of it."""
    folder.mkdir(exist_ok=True)
    for path in root.iterdir():
        with suppress(FileExistsError):
            (folder / path.name).symlink_to(path)
    return folder
