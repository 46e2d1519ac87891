"""Annotations against the documented grammar of GitHub's runner."""

from __future__ import annotations

from io import StringIO

from check_results import ALL, BROKEN, GOOD, check_result, gate_result
from rich.console import Console

from onnx_ood.reports.check.github import muted, to_annotations
from onnx_ood.reports.check.terminal import print_check


def test_an_annotation_is_one_line_whatever_is_in_it() -> None:
    first, second = to_annotations(ALL).split("\n")[:-1]
    assert first.startswith("::error file=some folder/onnx-ood.toml,line=7,title=")
    assert second.startswith("::warning file=some folder/onnx-ood.toml,line=12,title=")
    properties, _, message = first.removeprefix("::error ").partition("::")
    assert properties.count(",") == 2  # that of the title is escaped
    assert "%0A" in message
    assert "100%25" in message
    assert first.isprintable()
    assert to_annotations(GOOD) == ""
    kinds = [line.split()[0] for line in to_annotations(BROKEN).splitlines()]
    assert kinds == ["::error", "::error", "::error", "::warning"]


def _commands(log: str) -> list[str]:
    """Names of the commands that GitHub's runner takes from what a step prints, as its documentation has them."""
    found, mark = [], None
    for line in map(str.strip, log.splitlines()):
        if mark is not None:
            mark = None if line == f"::{mark}::" else mark
        elif line.startswith("::") and "::" in line[2:]:
            found.append(line[2:].split("::")[0].split()[0])
            mark = line.rpartition("::")[2] if found[-1] == "stop-commands" else None
    return found


def test_the_runner_reads_annotations_and_nothing_of_the_report() -> None:
    out = StringIO()
    loud = check_result(
        gate_result("failed", "::set-output name=x::y"), gate_result("passed", "::stop-commands::x")
    )
    print_check(Console(width=40, file=out, markup=False), loud)
    assert "set-output" in _commands(out.getvalue())  # which is why
    log = muted(loud, out.getvalue()) + to_annotations(loud)
    assert _commands(log) == ["stop-commands", "error"]
    assert out.getvalue() in log
    # Nobody can write the mark into a name: with the name it changes.
    mark = log.splitlines()[0].rpartition("::")[2]
    assert len(mark) == 64
    other = loud.model_copy(update={"gates": (gate_result("failed", mark),)})
    assert mark not in muted(other, "").splitlines()[0]
