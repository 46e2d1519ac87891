"""Markup against a parser of other people's."""

import html

from hypothesis import example, given
from hypothesis import strategies as st
from page_parts import parsed

from onnx_ood.reports._html.markup import Markup, element, text


@given(st.text())
@example("Screenshot at 3.45\u202fPM.png \u5199\u771f\u30001")
@example("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \U0001f469\u200d\U0001f4bb \u202e\u200f\x00")
def test_a_text_comes_back_from_a_page(value):
    # Without their joiners, names of some languages and emoji are others; macOS and Japanese have spaces of their own.
    kept = "\n\t\u200c\u200d\xa0\u1680\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
    shown = "".join(c if c.isprintable() or c in kept else "\N{REPLACEMENT CHARACTER}" for c in value)
    tree = parsed(
        f"<!doctype html><html><head><title>t</title></head><body>{element('p', value, title=value)}</body></html>"
    )
    (paragraph,) = tree.iter("p")
    assert (paragraph.text or "") == shown
    assert paragraph.get("title") == shown
    assert html.unescape(text(value)) == shown


def test_elements_are_not_escaped_twice():
    inner = element("b", "1 < 2")
    assert element("p", inner, " & ", [None, "x"]) == "<p><b>1 &lt; 2</b> &amp; x</p>"
    assert isinstance(element("p", inner), Markup)
    assert element("input", type="checkbox", checked=True, hidden=False, x=1.5, aria_label='"') == (
        '<input type="checkbox" checked x="1.5" aria-label="&quot;">'
    )
