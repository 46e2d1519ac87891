"""Gallery of a score page: one card per input, which opens to its numbers.

The inside of a card is drawn by page.js from the JSON of the page when it is opened: for a thousand inputs it would
be larger than the rest of the page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from onnx_ood.audits.score.result import InputResult, ScoreResult
from onnx_ood.reports import numbers
from onnx_ood.reports._html.charts import number
from onnx_ood.reports._html.markup import Markup, element, joined
from onnx_ood.reports._html.thumbnails import Missing, Shown
from onnx_ood.reports.score.facts import score_reasons
from onnx_ood.results.base import Prediction

# Deviation at which the small profile of a card reaches its top or bottom, as on the terminal.
_LIMIT = 4.0
_STEP, _HEIGHT = 10, 20
# More inputs than this have both ends shown above the gallery.
_MAX_AT_ONCE = 12
_AT_EACH_END = 6
# Maximum number of parts of a path on a card.
_MAX_PARTS = 3
# Cards in a group; a page with one group has no frame around it.
_GROUP = 24


def gallery(result: ScoreResult, shown: Sequence[Shown]) -> Markup:
    """Make the controls and all cards, in the order of the result.

    Args:
        result: The listed part of a result.
        shown: Thumbnail of each input, or the reason why it has none.
    """
    inputs = result.inputs
    names = short_names([one.id for one in inputs])
    cards = [_card(result, i, name, one) for i, (name, one) in enumerate(zip(names, shown, strict=True))]
    count = f"{len(inputs):,} of {len(inputs):,} inputs listed"
    return joined(
        _ends(result, names, shown),
        _controls(result),
        element("p", count, id="count", role="status", aria_live="polite"),
        element("div", _groups(inputs, cards), id="gallery"),
        element("p", "No input fits the filter.", id="none", hidden=True),
        element(
            "noscript", element("p", "Sorting, filtering and the numbers of each input need JavaScript.")
        ),
    )


def _groups(inputs: Sequence[InputResult], cards: Sequence[Markup]) -> list[Markup]:
    """Make groups of cards, the first one open: on a phone, 300 cards are as high as 50 screens."""
    if len(cards) <= _GROUP:
        return [element("ol", cards, class_="gallery")]
    groups = []
    for start in range(0, len(cards), _GROUP):
        part = inputs[start : start + _GROUP]
        flagged = sum(bool(one.flagged) for one in part)
        name = f"Inputs {start + 1:,} to {start + len(part):,} of {len(cards):,}" + (
            f", {flagged} flagged" if flagged else ""
        )
        groups.append(
            element(
                "details",
                element("summary", name),
                element("ol", cards[start : start + _GROUP], class_="gallery"),
                class_="group",
                open=start == 0,
            )
        )
    return groups


def prediction_name(prediction: Prediction) -> str:
    """Return the name of a class, or its number without one."""
    return f"#{prediction.index}" if prediction.label is None else prediction.label


def _ends(result: ScoreResult, names: Sequence[str], shown: Sequence[Shown]) -> Markup | None:
    inputs = result.inputs
    if len(inputs) <= _MAX_AT_ONCE or inputs[0].rank is None:
        return None
    last = len(inputs) - _AT_EACH_END
    return element(
        "div",
        _strip("Most unusual", inputs, names, shown, range(_AT_EACH_END)),
        _strip("Least unusual", inputs, names, shown, range(last, len(inputs))),
        class_="ends",
    )


def _strip(
    title: str, inputs: Sequence[InputResult], names: Sequence[str], shown: Sequence[Shown], which: range
) -> Markup:
    links = [
        element(
            "li",
            element(
                "a",
                _picture(shown[i]),
                element("span", element("b", f"{inputs[i].rank}"), f" {names[i]}", class_="id"),
                href=f"#input-{i + 1}",
                title=inputs[i].id,
            ),
        )
        for i in which
    ]
    return element("div", element("h3", title), element("ol", links, class_="strip"))


def _controls(result: ScoreResult) -> Markup:
    inputs = result.inputs
    first = inputs[0]
    ways = [("rank", "rank: most unusual first")] if first.rank is not None else [("given", "order as given")]
    if result.detector_summary:
        ways += [("score", f"score of {result.detector_summary.detectors[0].name}")]
    if first.p_value is not None:
        ways += [("p", "p")]
    if any(one.deviation is not None for one in inputs):
        ways += [("deviation", "deviation")]
    ways += [("name", "name")]
    classes = Counter(prediction_name(one.prediction) for one in inputs if one.prediction)
    names = [element("option", f"{name} ({count})", value=name) for name, count in sorted(classes.items())]
    return element(
        "form",
        _labelled(
            "Sort by",
            element("select", [element("option", text, value=key) for key, text in ways], id="sort"),
        ),
        element("label", element("input", type="checkbox", id="reverse"), " Reverse", class_="tick"),
        _labelled(
            "Name contains",
            element("input", type="search", id="text", autocomplete="off", spellcheck="false"),
        ),
        _labelled("Largest output", element("select", element("option", "any", value=""), names, id="class"))
        if len(classes) > 1
        else None,
        element("label", element("input", type="checkbox", id="flagged"), " Flagged only", class_="tick")
        if result.flagged is not None
        else None,
        class_="controls",
        aria_label="Sort and filter the inputs",
    )


def _labelled(name: str, control: Markup) -> Markup:
    return element("label", element("span", name), control)


def _card(result: ScoreResult, i: int, name: str, shown: Shown) -> Markup:
    entry = result.inputs[i]
    reasons = score_reasons(result, entry)
    summary = element(
        "summary",
        _picture(shown),
        element("span", f"{entry.rank}", class_="rank") if entry.rank is not None else None,
        element("span", "✗ flagged", class_="flag") if entry.flagged else None,
        element("b", name, title=entry.id if entry.id != name else None),
        element("span", _numbers(result, entry), class_="nums"),
        element("span", reasons[0], class_="why", title=", ".join(reasons)) if reasons else None,
        element("span", _guess(entry.prediction), class_="guess") if entry.prediction else None,
        _by_layer(entry.probe_deviations)
        if entry.probe_deviations and len(entry.probe_deviations) > 1
        else None,
    )
    return element("li", element("details", summary), id=f"input-{i + 1}")


def _picture(shown: Shown) -> Markup:
    if isinstance(shown, Missing) and shown.values:
        return element("span", "\n".join(shown.values), class_="pic tile values", title=shown.detail or None)
    if isinstance(shown, Missing):
        return element("span", shown.reason, class_="pic tile", title=shown.detail or None)
    kind = "pic small" if shown.small else "pic"
    return element(
        "img",
        class_=kind,
        src=shown.uri,
        alt="",
        width=shown.width,
        height=shown.height,
        title="Drawn from the array: smallest value black, largest white" if shown.made else None,
    )


def _numbers(result: ScoreResult, entry: InputResult) -> str:
    if result.detector_summary:
        score = f"{result.detector_summary.detectors[0].name} {numbers.decimal(entry.scores[0])}"
        return score if entry.p_value is None else f"{score} · p {numbers.decimal(entry.p_value, 3)}"
    return "" if entry.deviation is None else f"deviation {number(entry.deviation)}"


def _guess(prediction: Prediction) -> str:
    share = "" if prediction.probability is None else f" {numbers.percent(prediction.probability)}"
    return prediction_name(prediction) + share


def _by_layer(deviations: Sequence[float | None]) -> Markup:
    """Draw deviations by layer: 0 in the middle, positive high, negative low."""
    steps, begun = [], False
    for p, value in enumerate(deviations):
        if value is not None:
            share = (max(-_LIMIT, min(_LIMIT, value)) + _LIMIT) / (2 * _LIMIT)
            steps.append(f"{'L' if begun else 'M'}{p * _STEP} {_HEIGHT * (1 - share):.0f}")
        begun = value is not None
    width = (len(deviations) - 1) * _STEP
    return element(
        "svg",
        element("path", d="".join(steps)),
        viewBox=f"0 0 {width} {_HEIGHT}",
        preserveAspectRatio="none",
        aria_hidden="true",
    )


def short_names(ids: Sequence[str]) -> list[str]:
    """Return names of files with as many folders as make the most of them distinct.

    Args:
        ids: Full names of the inputs.
    """
    shown = [[_end(name, parts) for name in ids] for parts in range(1, _MAX_PARTS + 1)]
    return max(shown, key=lambda names: len(set(names)))


def _end(name: str, parts: int) -> str:
    return "/".join([part for part in name.split("/") if part][-parts:]) or name
