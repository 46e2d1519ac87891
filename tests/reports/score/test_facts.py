"""A score in words: its headline, warnings and circumstances."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from score_pages import CNN

import onnx_ood
from onnx_ood.audits.score.result import ScoreTerm
from onnx_ood.reports.score.facts import score_facts, score_headline, score_reasons, score_warnings
from onnx_ood.reports.score.page import score_page


def changed(result: onnx_ood.ScoreResult, part: str, **values: object) -> onnx_ood.ScoreResult:
    return result.model_copy(update={part: getattr(result, part).model_copy(update=values)})


def test_the_headline_is_the_answer(result: onnx_ood.ScoreResult) -> None:
    count = result.scored
    words, style = score_headline(result)
    assert (
        words
        == f"{result.flagged} of {count} inputs flagged: unlike the 30 references (false-positive rate 20%)"
    )
    assert style == ("red" if result.flagged else "")
    none = result.model_copy(update={"status": "not_evaluated", "scored": 1, "unscored": 9})
    assert score_headline(none) == ("Not evaluated: 1 of 10 inputs could be scored", "red")
    few = result.model_copy(update={"flagged": None})
    assert score_headline(few)[0].endswith("30 references are too few for a false-positive rate of 20%")
    assert score_headline(result.model_copy(update={"detector_summary": None}))[0].startswith(
        f"{count} inputs ranked by deviation"
    )
    unknown = changed(result, "detector_summary", fpr=None, reference="bundled")
    assert score_headline(unknown)[0].endswith("not flagged: no references given, only the bundled photos")


def test_warnings_are_given_when_there_is_a_reason(result: onnx_ood.ScoreResult) -> None:
    clear = tuple(one.model_copy(update={"above_floor": 1.0}) for one in result.probes)
    fine = changed(result, "run", provider_note="", observer_effect=1e-6).model_copy(
        update={
            "failed": (),
            "unscored": 0,
            "notes": (),
            "probes": clear,
            "skipped_probes": {},
            "ignored": (),
        }
    )
    assert [one for one in score_warnings(fine) if one] == []
    assert "Ran on the CPU: broken" in score_warnings(changed(fine, "run", provider_note="broken"))[-1]
    assert not any(score_warnings(changed(fine, "run", provider_note="no GPU here")))
    assert "by 0.010 of their size" in score_warnings(changed(fine, "run", observer_effect=0.01))[-1]
    low = fine.model_copy(update={"probes": (clear[0].model_copy(update={"above_floor": 0.9}), *clear[1:])})
    assert score_warnings(low)[-1].startswith(f"At 1 of {len(clear)} probes")
    skipped = fine.model_copy(update={"skipped_probes": {"a": "is empty"}, "ignored": ("x.txt", "y.txt")})
    assert score_warnings(skipped)[-2:] == [
        "1 probe skipped; --verbose lists them",
        "2 files of other types skipped",
    ]
    assert any("broken.png" in one for one in score_warnings(result))


def test_circumstances_are_those_of_the_result(result: onnx_ood.ScoreResult) -> None:
    facts = dict(score_facts(result))
    assert facts["model"].startswith(result.model.path)
    assert facts["inputs"].startswith(f"{result.scored} scored, 1 failed")
    assert facts["detectors"].startswith("msp, energy, against 30 known-good inputs; ")
    assert facts["nudge"] == "gaussian, std 0.02 in pixel space; 4 copies, seed 0, at image"
    assert facts["copies"] == ""
    assert facts["provider"].startswith("cpu (")
    recipe = dict(score_facts(changed(result, "nudges", recipe="lesswrong", scale=1e-5, copies=1)))
    assert recipe["nudge"].startswith("lesswrong recipe: gaussian of 1e-05*|x|")
    assert "1 copy" in recipe["nudge"]
    exact = dict(score_facts(changed(result, "run", observer_effect=0.0)))
    assert exact["observer effect"] == "none: the outputs are bitwise the same"


def test_without_references_the_headline_counts_inputs_beyond_all_bundled_crops(result):
    summary = result.detector_summary.model_copy(
        update={
            "reference": "bundled",
            "references": 96,
            "fpr": None,
            "largest_reference": result[2].scores[0],
        }
    )
    changed = result.model_copy(update={"detector_summary": summary, "flagged": None})
    assert score_headline(changed) == (
        "2 of 14 inputs more unusual than all 96 bundled crops (no references given)",
        "",
    )
    # A streamed run lists the first and the last: with all of the first beyond, others may be, too.
    few = changed.model_copy(update={"inputs": (*changed.inputs[:2], *changed.inputs[-2:])})
    assert "more unusual than" not in score_headline(few)[0]
    assert "only the bundled photos" in score_headline(few)[0]


def test_a_guessed_preprocessing_is_the_first_warning(result):
    notes = ("Other.", "The preprocessing is a guess; if it is wrong, so are the numbers.")
    warnings = score_warnings(result.model_copy(update={"notes": notes}))
    assert warnings[0] == notes[1]
    assert "could not be scored" in warnings[1]
    assert warnings[2] == notes[0]


def test_a_run_without_nudges_says_how_to_measure_drops(not_nudged: onnx_ood.ScoreResult) -> None:
    facts = dict(score_facts(not_nudged))
    assert facts["nudge"] == "none: cosine drops were not measured; measure them with --copies 4"
    assert facts["noise floor"] == facts["observer effect"] == facts["copies"] == ""
    assert not any("drops" in one for one in score_warnings(not_nudged))
    assert score_headline(not_nudged)[0].startswith(
        f"{not_nudged.flagged} of {not_nudged.scored} inputs flagged"
    )


@pytest.fixture(scope="module")
def self_nudged(folder: Path, references: list[Path]) -> onnx_ood.ScoreResult:
    """Scored by detectors that nudge inputs themselves."""
    return onnx_ood.score(
        CNN,
        [str(folder)],
        reference=list(map(str, references)),
        detectors=("flip_rate", "jacobian_norm", "msp"),
    )


def test_nudges_of_detectors_are_named_without_a_profile_of_layers(self_nudged: onnx_ood.ScoreResult) -> None:
    by = (
        "detector flip_rate: 2 copies, std 0.02 in pixel space; detector jacobian_norm: 4 copies, differences of "
        "small steps"
    )
    assert dict(score_facts(self_nudged))["nudge"] == (
        f"nudged by {by}; layers are not compared; compare them with --copies 4"
    )
    assert f"inputs were nudged by {by}, for scores only" in score_page(self_nudged, thumbnails=False)
    stored = json.loads(self_nudged.model_dump_json())["detector_summary"]["detectors"]
    assert [one["nudges"] for one in stored] == [
        {"copies": 2, "space": "pixel", "scale": 0.02},
        {"copies": 4, "space": "tensor", "scale": None},
        None,
    ]


def test_settings_of_nudges_are_those_of_the_profile_not_of_a_detector(
    self_nudged: onnx_ood.ScoreResult, result: onnx_ood.ScoreResult
) -> None:
    both = result.model_copy(update={"detector_summary": self_nudged.detector_summary})
    nudge = dict(score_facts(both))["nudge"]
    assert nudge.startswith("of the profile of layers: gaussian, std 0.02 in pixel space; 4 copies")
    assert "; nudged by detector flip_rate: 2 copies, std 0.02 in pixel space" in nudge


def test_a_false_discovery_rate_is_named(result: onnx_ood.ScoreResult) -> None:
    found = changed(result, "detector_summary", fpr=None, fdr=0.1, threshold=0.025)
    assert score_headline(found)[0].endswith("unlike the 30 references (false-discovery rate 10%)")
    few = found.model_copy(update={"flagged": None})
    assert score_headline(few)[0].endswith("30 references are too few for a false-discovery rate of 10%")
    flags = f"{result.flagged} of {result.scored} flagged (false-discovery rate 10%"
    assert dict(score_facts(found))["detectors"].endswith(f"{flags}: p <= 0.025)")
    none = changed(found, "detector_summary", threshold=0.0)
    assert dict(score_facts(none))["detectors"].endswith(f"{flags})")


def test_a_large_term_names_the_alteration_that_it_points_to(result: onnx_ood.ScoreResult) -> None:
    assert result.detector_summary is not None
    name, layers = result.detector_summary.detectors[0].name, result.detector_summary.layers

    def reasons(value: float, layer: int | None) -> list[str]:
        term = ScoreTerm(
            detector=name,
            name="alteration",
            value=value,
            layer="relu",
            layer_number=layer,
            alteration="speckle_noise",
        )
        return score_reasons(result, result.inputs[0].model_copy(update={"terms": (term,)}))

    assert reasons(3.25, 2) == [f"alteration 3.2 (layer 2 of {layers}, as references after speckle noise)"]
    assert reasons(3.25, None) == ["alteration 3.2 (as references after speckle noise)"]
    assert reasons(0.5, None) == ["alteration 0.5"]
