"""Terminal report of the demo: counts of the headline, and that it fits."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from onnx_ood.audits.demo.result import AlterationResult, Area, DemoResult
from onnx_ood.reports.demo.terminal import print_demo
from onnx_ood.reports.report_options import ReportOptions


def area(value: float, half: float = 0.02) -> Area:
    return Area(value=value, low=value - half, high=value + half)


RESULT = DemoResult(
    model="net.onnx",
    photos=24,
    probes=("a", "b"),
    copies=4,
    scale=0.02,
    provider="cpu",
    provider_note="",
    placement={"CPU": 3},
    fallback_nodes=(),
    answers={"cat.jpg": "tabby", "dog.jpg": "collie"},
    alterations=tuple(
        AlterationResult(
            kind=kind,
            drop_ratio=0.5,
            rotated_less=20,
            published=area(published),
            two_sided=area(0.9),
            auto=area(auto),
            confidence=area(0.7),
            same_answer=0.5,
        )
        for kind, published, auto in (
            ("gaussian_noise", 0.9, 0.95),
            ("blur", 0.1, 0.9),
            ("low_contrast", 0.2, 0.8),
            ("scribble", 0.51, 0.51),
        )
    ),
)  # fmt: skip


def shown(width: int = 80, *, verbose: bool = False, **changes: object) -> list[str]:
    out = StringIO()
    console = Console(width=width, file=out, highlight=False, markup=False)
    print_demo(console, RESULT.model_copy(update=changes), ReportOptions(verbose=verbose))
    return out.getvalue().splitlines()


def test_the_first_line_counts_alterations() -> None:
    # One interval above 0.5, two below, one around it; of auto three above.
    text = " ".join(" ".join(shown(200)[:1]).split())
    assert text == (
        "A smaller cosine drop detects 1 of 4 alterations (inverted for 2, inconclusive for 1); auto detects 3"
    )


@pytest.mark.parametrize("width", [80, 100, 120, 160])
def test_it_fits_with_verdicts_in_words(width: int) -> None:
    lines = shown(width)
    assert max(map(len, lines)) <= width
    rows = {line.split("  ")[0]: line for line in lines if line.strip()}
    for kind, verdict in (("gaussian noise", "detected"), ("blur", "inverted"), ("scribble", "inconclusive")):
        assert verdict in rows[kind]
    assert len(lines) <= 23


def test_settings_are_verbose_and_bugs_are_warnings() -> None:
    assert not any("collie" in line for line in shown())
    assert any("dog.jpg: collie" in line for line in shown(verbose=True))
    assert not any(line.startswith("! ") for line in shown())
    assert any(
        line.startswith("! ") and "probe_1" in line for line in shown(200, fallback_nodes=("probe_1",))
    )
