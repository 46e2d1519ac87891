"""Terminal report of a score, against the numbers of its result, at several widths."""

from __future__ import annotations

import re
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.cells import cell_len
from rich.console import Console

import onnx_ood
from onnx_ood import models
from onnx_ood.reports.report_options import ReportOptions
from onnx_ood.reports.score.terminal import print_score
from onnx_ood.results.base import Failure


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> onnx_ood.ScoreResult:
    """Garments and noise, compared with references."""
    root = tmp_path_factory.mktemp("terminal")
    images, _ = models.fashion_samples()
    noise = np.random.default_rng(0).integers(0, 256, (3, 28, 28), np.uint8)
    for name, pictures in {"good": images[:40], "new": [*images[40:50], *noise]}.items():
        (root / name).mkdir()
        for i, picture in enumerate(pictures):
            Image.fromarray(picture).save(root / name / f"{i:02}.png")
    settings = onnx_ood.ScoreSettings(detectors=("auto", "energy"), copies=4)
    return onnx_ood.score(
        models.path("fashion_cnn"), [str(root / "new")], settings, reference=[str(root / "good")]
    )


def shown(
    result: onnx_ood.ScoreResult, width: int, encoding: str = "utf-8", *, verbose: bool = False
) -> list[str]:
    raw = BytesIO()
    console = Console(
        file=TextIOWrapper(raw, encoding=encoding, errors="replace"), width=width, emoji=False, markup=False
    )
    print_score(console, result, ReportOptions(top=20, verbose=verbose))
    console.file.flush()
    return raw.getvalue().decode(encoding).splitlines()


def rows_of(lines: list[str], count: int) -> list[list[str]]:
    """Cells of the table of inputs."""
    return [line.split() for line in lines_of(lines, count)]


def lines_of(lines: list[str], count: int) -> list[str]:
    """Rows of the table of inputs: the lines below its head and rule."""
    at = next(i for i, line in enumerate(lines) if line.split()[:2] in (["#", "input"], ["input"]))
    return lines[at + 2 : at + 2 + count]


@pytest.mark.parametrize("width", [60, 80, 100, 120, 160])
@pytest.mark.parametrize("verbose", [False, True])
def test_score_and_p_value_are_there_at_any_width_and_nothing_is_cut(
    result: onnx_ood.ScoreResult, width: int, verbose: bool
) -> None:
    lines = shown(result, width, verbose=verbose)
    assert max(map(len, lines)) <= width
    for row, entry in zip(rows_of(lines, len(result.inputs)), result.inputs, strict=True):
        assert row[:2] == [str(entry.rank), Path(entry.id).name]
        assert f"{entry.scores[0]:.2f}" in row
        assert f"{entry.p_value:.3f}" in row
        assert ("✗" in row) == entry.flagged


def test_all_detectors_and_drops_are_there_if_there_is_room(result: onnx_ood.ScoreResult) -> None:
    def head(width: int, *, verbose: bool) -> set[str]:
        lines = shown(result, width, verbose=verbose)
        return set(next(line for line in lines if line.lstrip().startswith("#")).split())

    assert {"auto", "energy", "why", "prediction"} <= head(180, verbose=False)
    assert not {"deviation", "rotation"} & head(180, verbose=False)
    assert {"auto", "energy", "rotation", "prediction", "drop", "[1]"} <= head(300, verbose=True)
    assert {"auto", "energy", "why", "layer", "prediction", "drop", "[5]"} <= head(260, verbose=True)
    assert "drop" not in head(180, verbose=False)


def test_the_first_line_is_the_answer(result: onnx_ood.ScoreResult) -> None:
    flagged = sum(bool(entry.flagged) for entry in result.inputs)
    assert flagged >= 3
    assert (
        shown(result, 100)[0]
        == f"{flagged} of 13 inputs flagged: unlike the 40 references (false-positive rate 5%)"
    )
    text = " ".join(" ".join(shown(result, 100, verbose=True)).split())
    assert (
        "auto (activity + alteration + channels + altered peaks + "
        "neighbours + uncertainty), energy, against 40 known-good inputs; p-values by activity and "
        f"uncertainty alone; {flagged} of 13 flagged (p <= 0.05)" in text
    )


def test_headlines_without_flags(result: onnx_ood.ScoreResult) -> None:
    assert result.detector_summary is not None

    def first(reference: str, references: int, fpr: float | None, **changes: object) -> str:
        summary = result.detector_summary.model_copy(
            update={"reference": reference, "references": references, "fpr": fpr}
        )
        return shown(
            result.model_copy(update={"flagged": None, "detector_summary": summary, **changes}), 120
        )[0]

    assert first("none", 0, None) == "13 inputs ranked by auto, not flagged: no references given"
    beyond = sum(one.scores[0] > result.detector_summary.largest_reference for one in result.inputs)
    assert first("bundled", 96, None) == (
        f"{beyond} of 13 inputs more unusual than all 96 bundled crops (no references given)"
    )
    assert first("given", 12, 0.01).endswith("12 references are too few for a false-positive rate of 1%")
    assert first("none", 0, None, status="not_evaluated", scored=2, unscored=5) == (
        "Not evaluated: 2 of 7 inputs could be scored"
    )
    compared = result.model_copy(update={"detector_summary": None, "flagged": None})
    assert shown(compared, 120)[0] == (
        "13 inputs ranked by deviation from each other, not flagged: no references given"
    )


def many(result: onnx_ood.ScoreResult, count: int, **changes: object) -> onnx_ood.ScoreResult:
    """The result with its inputs repeated under new names and ranks."""
    inputs = [
        result.inputs[i % len(result.inputs)].model_copy(update={"id": f"folder/{i:03}.png", "rank": i + 1})
        for i in range(count)
    ]
    return result.model_copy(update={"inputs": tuple(inputs), "scored": count, **changes})


@pytest.mark.parametrize("count", [1, 5, 13, 60, 500])
@pytest.mark.parametrize("notes", [0, 1, 2, 3, 9])
def test_the_answer_stays_on_a_terminal_of_24_lines(
    result: onnx_ood.ScoreResult, count: int, notes: int
) -> None:
    warned = many(
        result, count, notes=tuple(f"Note {i} on this result, " + "with words " * 12 for i in range(notes))
    )
    raw = StringIO()
    print_score(Console(file=raw, width=80), warned)
    lines = raw.getvalue().splitlines()
    assert "flagged" in lines[0]
    listed = [line for line in lines if ".png" in line and not line.startswith("Nearest references: ")]
    assert sum(line.startswith("Nearest references: #1 ") for line in lines) == 1
    left_out = [line.split()[0] for line in lines if "--all" in line]
    assert left_out == ([] if len(listed) == count else [f"{count - len(listed)}"])
    assert len(listed) >= min(count, 5)
    # All flagged inputs are listed, up to 20, even if the report gets longer; its end then repeats the answer.
    flagged = len(warned.flagged_inputs)
    assert len(lines) <= 23 or (len(listed) == min(flagged, 20) and lines[0] in lines[-3:])
    if flagged > 20:
        assert f"others ({flagged - 20} flagged): --all" in " ".join(lines)
    assert sum(line.startswith("! Note") for line in lines) == (notes if notes <= 3 else 2)


def test_flagged_inputs_come_first_although_others_outrank_them(result: onnx_ood.ScoreResult) -> None:
    """Of 60 inputs every tenth is flagged: ranks 10, 20, ... 60."""
    inputs = [
        one.model_copy(update={"flagged": rank % 10 == 0, "rank": rank, "id": f"folder/{rank:03}.png"})
        for rank, one in enumerate(many(result, 60).inputs, 1)
    ]
    changed = result.model_copy(update={"inputs": tuple(inputs), "scored": 60, "flagged": 6, "notes": ()})
    assert [one.rank for one in changed.flagged_inputs] == [10, 20, 30, 40, 50, 60]
    raw = StringIO()
    print_score(Console(file=raw, width=80), changed)
    lines = raw.getvalue().splitlines()
    ranks = [int(line.split()[0]) for line in lines if ".png" in line and not line.startswith("Nearest")]
    assert ranks[:6] == [10, 20, 30, 40, 50, 60]
    assert ranks[6:] == [rank for rank in range(1, 60) if rank % 10][: len(ranks) - 6]
    assert len(lines) <= 23
    assert f"{60 - len(ranks)} others: --all" in " ".join(lines)
    assert repr(changed).splitlines()[4].split()[:2] == ["10", "010.png"]


def test_scores_that_were_asked_for_are_shown_before_rotation_and_deviation(
    result: onnx_ood.ScoreResult,
) -> None:
    summary = result.detector_summary
    assert summary is not None
    used = [summary.detectors[0].model_copy(update={"name": name}) for name in ("auto", "energy", "msp")]
    inputs = tuple(one.model_copy(update={"scores": (*one.scores, 0.5)}) for one in result.inputs)
    changed = result.model_copy(
        update={"detector_summary": summary.model_copy(update={"detectors": tuple(used)}), "inputs": inputs}
    )

    def head(width: int, *, verbose: bool = True) -> set[str]:
        lines = shown(changed, width, verbose=verbose)
        return set(next(line for line in lines if line.lstrip().startswith("#")).split())

    assert {"auto", "energy", "msp"} <= head(80, verbose=False)
    assert {"auto", "energy", "msp"} <= head(80)
    for width in range(60, 140, 5):
        assert {"energy", "msp"} <= head(width) or not {"rotation", "deviation"} & head(width)
    assert {"auto", "energy", "msp", "why", "rotation", "deviation"} <= head(280)


def test_an_input_ranks_where_it_does_by_its_largest_terms(result: onnx_ood.ScoreResult) -> None:
    first = result.inputs[0]
    largest, *others = sorted(first.terms, key=lambda one: -one.value)
    named = [largest, *(one for one in others if one.value >= 1)]

    def row(width: int) -> str:
        return next(line for line in shown(result, width) if line.split()[:2] == ["1", Path(first.id).name])

    assert f"{largest.name.replace('_', ' ')} {largest.value:.1f}" in row(80)
    for one in first.terms:
        assert (f"{one.name.replace('_', ' ')} {one.value:.1f}" in row(200)) == (one in named)
    place = f"layer {largest.layer_number} of {result.detector_summary.layers}"
    assert f"({place if largest.layer_number else 'the input'})" in row(400)


@pytest.mark.parametrize("width", [80, 100, 120, 160, 200, 300])
def test_a_verbose_report_names_the_layer_of_each_first_term_and_explains_no_other(
    result: onnx_ood.ScoreResult, width: int
) -> None:
    names = [one.name for one in onnx_ood.load(models.path("fashion_cnn")).tensors if one.activation]
    lines = shown(result, width, verbose=True)
    head = next(line for line in lines if line.lstrip().startswith("#"))
    column = re.search(r"(?<!by )layer\b", head)
    end = column.end() if column else None
    numbered = set()
    for entry, row in zip(result.inputs, lines_of(lines, len(result.inputs)), strict=True):
        first = max((one for one in entry.terms if one.detector == "auto"), key=lambda one: one.value)
        inline = {int(found or 0) for found in re.findall(r"\((?:layer (\d+) of|the input)", row)}
        cell = row[:end].split("  ")[-1].strip() if end else ""
        numbered |= inline | ({0 if cell == "input" else int(cell)} if cell else set())
        if first.layer_number is not None:
            assert first.layer_number in inline or cell == (
                str(first.layer_number) if first.layer_number else "input"
            )
        else:
            assert not cell
    assert numbered
    expected = {
        f"layer {number} of {len(names)}" if number else "the input": (
            f"{names[number - 1]} (probe [{number}])" if number else "image"
        )
        for number in numbered
    }
    start = lines.index("Layers that contribute most to a score") + 1
    text = " ".join(" ".join(lines[start : lines.index("", start)]).split())
    assert text == " ".join(
        f"{name} {expected[name]}" for name in sorted(expected, key=lambda one: one != "the input")
    )
    hints = sum("do not fit this width: --html report.html has them." in line for line in lines)
    assert hints == (end is not None)


def test_without_terms_there_is_no_legend_of_layers(result: onnx_ood.ScoreResult) -> None:
    bare = tuple(one.model_copy(update={"terms": ()}) for one in result.inputs)
    assert not any(
        "contribute most" in line
        for line in shown(result.model_copy(update={"inputs": bare}), 200, verbose=True)
    )


def test_terms_that_are_left_out_are_named_with_the_reason(result: onnx_ood.ScoreResult) -> None:
    summary = result.detector_summary
    assert summary is not None
    auto = summary.detectors[0]
    lacking = auto.model_copy(
        update={"terms": auto.terms[:1], "left_out": {"alteration": "only pictures are altered"}}
    )
    changed = result.model_copy(
        update={
            "detector_summary": summary.model_copy(update={"detectors": (lacking, *summary.detectors[1:])})
        }
    )
    text = " ".join(" ".join(shown(changed, 100, verbose=True)).split())
    assert "auto (activity; without alteration: only pictures are altered), energy" in text


def test_a_long_report_ends_with_the_answer(result: onnx_ood.ScoreResult) -> None:
    raw = StringIO()
    print_score(Console(file=raw, width=80), many(result, 60), ReportOptions(everything=True))
    lines = raw.getvalue().splitlines()
    assert sum(".png" in line and not line.startswith("Nearest") for line in lines) == 60
    assert lines[-2] == lines[0]


def test_what_is_wrong_is_a_warning_and_what_is_fine_is_left_to_verbose(result: onnx_ood.ScoreResult) -> None:
    def warnings(**changes: object) -> str:
        changed = result.model_copy(update={"notes": (), **changes})
        return " ".join(line for line in shown(changed, 200) if line.startswith("!"))

    assert warnings() == ""
    assert "observer effect" not in " ".join(shown(result, 100))
    probes = tuple(one.model_copy(update={"above_floor": 0.5}) for one in result.probes[:2])
    assert "At 2 of 5 probes drops can be rounding noise" in warnings(probes=(*probes, *result.probes[2:]))
    assert "changed the model's outputs by 0.25" in warnings(
        run=result.run.model_copy(update={"observer_effect": 0.25})
    )
    assert warnings(run=result.run.model_copy(update={"observer_effect": 1e-6})) == ""
    assert "1 file of other types skipped" in warnings(ignored=("a.txt",))
    failed = (Failure(id="a.png", reason="is empty"), Failure(id="b.png", reason="is empty"))
    assert "2 inputs could not be scored; the first: a.png: is empty" in warnings(failed=failed, unscored=2)


@pytest.mark.parametrize(
    ("note", "warned"),
    [
        ("no NVIDIA driver is installed", False),
        ("the NVIDIA driver shows no GPU", False),
        ("this onnxruntime is built without CUDA (onnxruntime-gpu has it)", False),
        ("onnxruntime could not create a session on CUDA", True),
        ("a CUDA library cannot be loaded (libcudnn.so.9)", True),
    ],
)
def test_the_cpu_is_a_warning_if_a_gpu_is_there(
    result: onnx_ood.ScoreResult, note: str, warned: bool
) -> None:
    run = result.run.model_copy(update={"provider_note": note})
    lines = shown(result.model_copy(update={"run": run, "notes": ()}), 200)
    assert any(line.startswith("! Ran on the CPU") for line in lines) == warned


def test_long_and_wide_names_stay_distinct_and_fit(result: onnx_ood.ScoreResult) -> None:
    for name in (
        "a_rather_long_name_of_a_picture_{}_taken_by_a_camera_at_the_front.png",
        "größe_日本語の写真_{}.png",
    ):
        inputs = [one.model_copy(update={"id": f"x/{name.format(i)}"}) for i, one in enumerate(result.inputs)]
        lines = shown(result.model_copy(update={"inputs": tuple(inputs)}), 80)
        assert max(map(cell_len, lines)) <= 80
        names = [row[1] for row in rows_of(lines, len(inputs))]
        assert len(set(names)) == len(inputs)


def test_terminals_without_unicode_get_marks_they_can_show(result: onnx_ood.ScoreResult) -> None:
    rows = [line for line in shown(result, 120, "ascii") if " 0.024 " in line]
    assert len(rows) == sum(entry.p_value == pytest.approx(1 / 41) for entry in result.inputs)
    assert all(" 0.024 !! " in row for row in rows)


@pytest.mark.parametrize("width", [60, 80, 160])
def test_a_run_without_nudges_says_under_verbose_how_to_measure_drops(
    not_nudged: onnx_ood.ScoreResult, width: int
) -> None:
    lines = shown(not_nudged, width)
    assert lines[-1].endswith("-v for layers")
    assert "drop" not in " ".join(lines)
    verbose = " ".join(" ".join(shown(not_nudged, width, verbose=True)).split())
    assert "none: cosine drops were not measured; measure them with --copies 4" in verbose
    for word in ("Layer profile", "noise floor", "observer effect", "deviation", "rotation", "drop ["):
        assert word not in verbose
    assert len(repr(not_nudged).splitlines()) <= 10


def test_a_run_without_layers_offers_settings(not_nudged: onnx_ood.ScoreResult) -> None:
    bare = tuple(one.model_copy(update={"terms": ()}) for one in not_nudged.inputs)
    assert shown(not_nudged.model_copy(update={"inputs": bare}), 80)[-1].endswith("-v for settings")


def test_a_nudged_run_offers_its_layers(result: onnx_ood.ScoreResult) -> None:
    assert shown(result, 120)[-1].endswith("-v for layers")


def test_the_first_inputs_name_their_nearest_reference(result: onnx_ood.ScoreResult) -> None:
    inputs = tuple(
        one.model_copy(update={"nearest_reference": f"known/good/{9 - i}.png"})
        for i, one in enumerate(result.inputs)
    )
    flagged = sorted(inputs, key=lambda one: not one.flagged)
    line = next(one for one in shown(result.model_copy(update={"inputs": inputs}), 120) if "Nearest" in one)
    named = ", ".join(f"#{one.rank} {one.nearest_reference.rpartition('/')[2]}" for one in flagged[:3])
    assert line == f"Nearest references: {named}"
    bare = tuple(one.model_copy(update={"nearest_reference": None}) for one in inputs)
    assert "Nearest" not in " ".join(shown(result.model_copy(update={"inputs": bare}), 120))
