"""Commands of the tutorial and the recipes print what these pages show."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from page_runner import PageRunner
from sessions import Shell, Step, checkout, difference, read_steps, written_again

DOCS = Path(__file__).parents[1] / "docs"
needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")

PAGE = """
```console
$ echo one # a comment
1
$ false
$ echo $?
0
```
```console
# A comment.
cd folder

echo two \\
  three
```
```toml title="a b.toml"
x = 1
```
```python
print("four")
```
```text
4
```
```text
not an output
```
"""


@needs_bash
@pytest.mark.parametrize("page", ["tutorial.md", "recipes.md"])
def test_commands_print_what_the_page_shows(page, tmp_path):
    runner = PageRunner(tmp_path)
    for step in read_steps((DOCS / page).read_text()):
        printed, code = runner.run(step)
        if step.shown is None:
            # Output that the page leaves out is nothing to worry about.
            assert code == 0, (step.text, printed)
        else:
            changed = difference(step.shown, printed)
            assert not changed, f"$ {step.text}\n{changed}\nrun: python docs/generate.py outputs"


def test_steps_of_a_page():
    assert [(step.kind, step.text, step.name, step.shown) for step in read_steps(PAGE)] == [
        ("console", "echo one", "", "1\n"),
        ("console", "false", "", ""),
        ("console", "echo $?", "", "0\n"),
        ("console", "cd folder", "", None),
        ("console", "echo two     three", "", None),
        ("file", "x = 1\n", "a b.toml", None),
        ("python", 'print("four")\n', "", "4\n"),
    ]


def test_outputs_are_written_at_their_places():
    page = written_again(PAGE, ["one\n", "", "1  \n\n", "left out", "", "", "four\n"])
    assert [step.shown for step in read_steps(page)] == ["one\n", "", "1\n", None, None, None, "four\n"]
    assert page == PAGE.replace("\n1\n", "\none\n").replace("\n0\n", "\n1\n").replace("\n4\n", "\nfour\n")


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("a  b\n──\n", "a b\n────\n\n"),
        ("0.25", "0.24"),
        ("-0.5 ±1.3%", "-0.6 ±1.4%"),
        ("1.2e-05", "1.3e-05"),
        ("9.99 s", "10.00 s"),
    ],
)
def test_rounding_and_widths_are_no_difference(shown, printed):
    assert difference(shown, printed) == ""


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("0.25", "0.23"),
        ("0.25", "0.250"),
        ("0.25", "25"),
        ("1.2e-05", "1.2e-04"),
        ("4 of 16", "5 of 16"),
        ("onnx 1.21.0", "onnx 1.21.1"),
        ("-0.5", "0.5"),
        ("one", "other"),
        ("one", "one\ntwo"),
        ("one\ntwo", "one"),
    ],
)
def test_anything_else_is_a_difference(shown, printed):
    assert difference(shown, printed)


@needs_bash
def test_a_shell_starts_empty_and_keeps_its_state(tmp_path, monkeypatch):
    monkeypatch.setenv("PRIVATE", "value")
    source = tmp_path / "source"
    source.mkdir()
    (source / "file.txt").write_text("content\n")
    place = checkout(source, tmp_path / "place")
    with Shell(place, tmp_path / "home") as shell:
        assert shell.run(Step("console", "echo $PRIVATE-$HOME")) == (f"-{tmp_path}/home\n", 0)
        assert shell.run(Step("console", "cat file.txt; echo problem >&2; false")) == (
            "content\nproblem\n",
            1,
        )
        assert shell.run(Step("console", "echo $?")) == ("1\n", 0)
        shell.run(Step("console", "export NAME=kept; mkdir inner; cd inner"))
        shell.run(Step("file", "a $NAME\n", "two words.txt"))
        assert shell.run(Step("console", "echo $NAME; cat *.txt")) == ("kept\na $NAME\n", 0)
    assert {path.name for path in source.iterdir()} == {"file.txt"}


@needs_bash
def test_a_shell_that_ends_is_an_error(tmp_path):
    with Shell(tmp_path, tmp_path / "home") as shell, pytest.raises(RuntimeError, match="ended in: exit"):
        shell.run(Step("console", "exit 3"))
