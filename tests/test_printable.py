"""Untrusted texts, made safe to print."""

from __future__ import annotations

from unicodedata import category

from check_results import NASTY
from hypothesis import given
from hypothesis import strategies as st

from onnx_ood._printable import escape_controls, shown

TEXTS = st.text(st.characters(exclude_categories=()))


def test_printable_text_is_one_line_and_keeps_other_scripts() -> None:
    assert shown("größe ✓ 大") == "größe ✓ 大"
    text = shown(NASTY)
    assert text.isprintable()
    assert text.encode("ascii").decode("unicode_escape") == NASTY


@given(TEXTS)
def test_no_control_or_formatting_character_is_left(text: str) -> None:
    safe = escape_controls(text)
    assert not [c for c in safe if category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and c != "\n"]
    assert escape_controls(safe) == safe
    assert safe.count("\n") == text.count("\n")
