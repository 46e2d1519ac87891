"""Lines of keys in TOML, and what is said of mistakes."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from onnx_ood.exceptions import UsageError
from onnx_ood.inputs.toml_files import MAX_BYTES, key_lines, read_toml

# Values in which marks have no meaning, or another one, with what is inside them: the way, and how many lines down.
VALUES = (
    ("1", {}),
    ("-1.5e3 # [x] = 1", {}),
    ('"a = [b] # \\" c"', {}),
    ("'a = \\'", {}),
    ('""', {}),
    ("''", {}),
    ('"""\nk = 1\n[t]\n"""', {}),
    ('"""two "" quotes""" ', {}),
    ('"""ends with a quote""""', {}),
    ('"""\\""" # k = 1\n"""', {}),
    ("'''\n[[t]]\n''k = 2''\n'''", {}),
    ("''''''", {}),
    ("'''\nends with a quote''''", {}),
    ("'''\nends with two\n'''''", {}),
    ('"""\nends with two"""""', {}),
    ("['''\n''', '''\n''''']", {(0,): 0, (1,): 1}),
    ("['''\na'''', '#']", {(0,): 0, (1,): 1}),
    ("[\n  1, # ]\n  2,\n]", {(0,): 1, (1,): 2}),
    ('[["]", 1], [\n]]', {(0,): 0, (0, 0): 0, (0, 1): 0, (1,): 0}),
    ("[ ]", {}),
    ("{}", {}),
    (
        '{ inner = 1, "[x]" = { y = [1, 2] } }',
        {("inner",): 0, ("[x]",): 0, ("[x]", "y"): 0, ("[x]", "y", 0): 0, ("[x]", "y", 1): 0},
    ),
    (
        '[ # {\n  { a.b = "," }, # , {\n  { c = """\n}, {\n""", d = 1 },\n  2,]',
        {(0,): 1, (0, "a"): 1, (0, "a", "b"): 1, (1,): 2, (1, "c"): 2, (1, "d"): 4, (2,): 5},
    ),
    ("1979-05-27T07:32:00Z", {}),
)
# As written, and its parts.
KEYS = (
    ("k{}", ["k{}"]),
    ('"k=[{}]#"', ["k=[{}]#"]),
    ("'k \"{}'", ['k "{}']),
    ('"\\u00e4{}"', ["ä{}"]),
    ("d{} . 'e f'", ["d{}", "e f"]),
)
keys = st.sampled_from(KEYS)
statements = st.lists(st.tuples(keys, st.sampled_from(VALUES), st.sampled_from(["", "  ", "\t"])), max_size=4)
tables = st.lists(
    st.tuples(st.booleans(), keys, statements, st.sampled_from(["", "# k = 1\n", "\n\n"])), max_size=4
)


@given(statements, tables)
def test_keys_are_found_where_they_were_written(first: list, others: list) -> None:
    text, expected = "", {}
    number = 0

    def write(way: tuple[str | int, ...], some: list) -> None:
        nonlocal text, number
        for (spelt, parts), (value, inside), indent in some:
            number += 1
            line = 1 + text.count("\n")
            text += f"{indent}{spelt.format(number)} = {value}\n"
            for end in range(1, len(parts) + 1):
                expected[(*way, *(part.format(number) for part in parts[:end]))] = line
            name = tuple(part.format(number) for part in parts)
            expected.update({(*way, *name, *rest): line + down for rest, down in inside.items()})

    write((), first)
    for several, (spelt, parts), some, before in others:
        number += 1
        text += before
        name = tuple(part.format(number) for part in parts)
        header = spelt.format(number)
        # A table, or an array of two with a table inside the second.
        for way in [(*name, 0), (*name, 1)] if several else [name]:
            line = 1 + text.count("\n")
            for end in range(1, len(way) + 1):
                expected.setdefault(way[:end], line)
            text += f"[[ {header} ]] # [x]\n" if several else f" [ {header} ]\n"
            write(way, some)
        if several:
            expected[(*name, 1, "under")] = 1 + text.count("\n")
            text += f"[{header}.under]\n"
    tomllib.loads(text)
    assert key_lines(text) == expected
    assert key_lines(text.removesuffix("\n")) == expected


class NestedTensor(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    size: Annotated[int, Field(ge=1)]
    names: list[str] = []


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    title: str = ""
    inner: NestedTensor | None = None
    several: list[NestedTensor] = []
    by_name: dict[str, NestedTensor] = {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "title = 'a'\n\nsizes = 3",
            "line 3: sizes: unknown key; choose from title, inner, several, by_name",
        ),
        (
            "title = '''a\nb'''''\nsizes = 3",
            "line 3: sizes: unknown key; choose from title, inner, several, by_name",
        ),
        (
            "inner.size = 1\ninner.names = ['''\na'''', '#']\nsizes = 3",
            "line 4: sizes: unknown key; choose from title",
        ),
        ("# first\ntitle = 1", "line 2: title: expected text"),
        ("title = 'a'\n[inner]\nsize = 0", "line 3: inner.size: expected 1 or more"),
        ("title = 'a'\n[inner]\nnames = []", "line 2: inner.size: missing"),
        ("inner.size = 1\ninner.names = [\n  'a',\n  2,\n]", "line 4: inner.names.1: expected "),
        ("[[several]]\nsize = 1\n[[several]]\nsize = 1.5", "line 4: several.1.size: expected "),
        ("several = [\n{size = 1},\n{size = '1'}]", "line 3: several.1.size: expected "),
        ("[by_name]\n'a b' = {size = 1}\n[by_name.c]\nsize = -1", "line 4: by_name.c.size: expected "),
        ("a = \n", "is not TOML: Invalid value (at line 1, column 5)"),
        ("'\x01' = 1", "is not TOML"),
        ('"\\n\\u001b" = 1', "line 1: \\n\\x1b: unknown key; choose from title"),
        ("a = " + "[" * 5000, "is not TOML"),
    ],
)
def test_mistakes_are_told_by_line_and_key(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as raised:
        read_toml(path, Outer)
    assert str(raised.value).startswith(f"{path}: {message}")
    assert len(str(raised.value).splitlines()) == 1


def test_what_is_right_is_read(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_bytes(b"title = 'a'\r\n[inner]\r\nsize = 2\r\nnames = ['x']\r\n")
    assert read_toml(path, Outer) == Outer(title="a", inner=NestedTensor(size=2, names=["x"]))
    path.write_bytes(b"\xef\xbb\xbftitle = 'a'\n")
    assert read_toml(path, Outer) == Outer(title="a")
    path.write_bytes(b"title = 'a'\r\n[inner]\r\nsize = 'b'\r\n")
    with pytest.raises(UsageError, match=r"line 3: inner\.size"):
        read_toml(path, Outer)


def test_files_that_are_none_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        read_toml(tmp_path / "missing.toml", Outer)
    with pytest.raises(UsageError, match="is a folder"):
        read_toml(tmp_path, Outer)
    path = tmp_path / "settings.toml"
    path.write_bytes(b"title = '\xff'")
    with pytest.raises(UsageError, match="is not UTF-8"):
        read_toml(path, Outer)
    path.write_bytes(b" " * (MAX_BYTES + 1))
    with pytest.raises(UsageError, match="over the limit"):
        read_toml(path, Outer)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = " + "1" * 5000, "is not TOML: Exceeds the limit"),
        ('x = 1\na = "b\\u0000c"', "line 2: a: has a null character"),
        ('[t]\nx = ["a", "\\u0000"]', r"line 2: t\.x\.1: has a null character"),
        ('"a\\u0000" = 1', "has a null character"),
    ],
)
def test_numbers_and_texts_that_nothing_can_use_are_one_line(tmp_path: Path, text: str, message: str) -> None:
    (path := tmp_path / "a.toml").write_text(text)
    with pytest.raises(UsageError, match=message) as error:
        read_toml(path, Outer)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400
