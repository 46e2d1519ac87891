"""The page of the score audit, taken apart by a parser of other people's."""

import base64
import hashlib
import json
import re
import shlex

import jsonschema
import numpy as np
import pytest
from command import run
from page_parts import assert_loads_nothing, data, find, island, parsed, text
from PIL import Image
from score_pages import CNN, HOSTILE, SCHEMAS, listed, save_garments

import onnx_ood
from onnx_ood.audits.score.result import ScoreResult, ScoreTerm, UsedTerm
from onnx_ood.reports.score.page import MAX_BYTES, command, score_page


def test_it_loads_nothing(page):
    assert_loads_nothing(page)


def test_the_policy_lets_run_what_is_in_the_page(tree):
    (policy,) = [
        one.get("content") for one in find(tree, "meta") if "script-src" in (one.get("content") or "")
    ]
    scripts = [one for one in find(tree, "script") if one.get("type") is None]
    (script,), (style,) = scripts, find(tree, "style")
    for kind, one in (("script", script), ("style", style)):
        digest = base64.b64encode(hashlib.sha256(one.text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy


def test_the_json_in_it_is_the_result(tree, result):
    assert ScoreResult.model_validate_json(island(tree)) == result
    jsonschema.validate(data(tree), json.loads((SCHEMAS / "score.json").read_text()))


def test_hostile_names_are_text(page, tree, result, folder):
    names = {(folder / HOSTILE).as_posix()}
    assert names <= {one.id for one in result.inputs}
    assert len(find(tree, "script")) == 2
    assert all(one.get("src", "").startswith("data:") for one in find(tree, "img"))
    assert names <= {one.get("title") for one in find(tree, "b")}
    assert page.count("</script") == 2


def test_hostile_words_of_a_model_are_text(result):
    words = "</script><script>alert(1)</script><!--\u2028\ud800\x00\u202e"
    first = result.inputs[0]
    guess = first.prediction.model_copy(update={"label": words.replace("\ud800", "")})
    hostile = result.model_copy(
        update={
            "inputs": (first.model_copy(update={"prediction": guess}), *result.inputs[1:]),
            "notes": (words.replace("\ud800", ""),),
            "skipped_probes": {"<b onclick=x>": "</details><script>"},
            "model": result.model.model_copy(
                update={"path": "m/<img src=x>.onnx", "producer": '"><svg onload=x>'}
            ),
        }
    )
    page = score_page(hostile, thumbnails=False)
    tree = parsed(page.replace("\0", ""))
    assert len(find(tree, "script")) == 2
    assert not find(tree, "img")
    assert "\0" not in page
    assert "\u202e" not in page.replace(island(tree), "")
    assert data(tree)["inputs"][0]["prediction"]["label"] == guess.label
    assert text(find(tree, "title")[0]) == "<img src=x>.onnx · onnx-ood score"


def test_it_has_landmarks_headings_and_names_for_everything(tree):
    assert len(find(tree, "main")) == len(find(tree, "h1")) == len(find(tree, "nav")) == 1
    ids = [one.get("id") for one in tree.iter() if one.get("id")]
    assert len(ids) == len(set(ids))
    for one in find(tree, "section"):
        assert one.get("aria-labelledby") in ids
    for link in find(tree, "a"):
        assert link.get("href")[1:] in ids
    for table in find(tree, "table"):
        assert text(find(table, "caption")[0])
        assert find(table, "th", scope="col")
    labels = [one for label in find(tree, "label") for one in label.iter()]
    for control in [*find(tree, "input"), *find(tree, "select")]:
        assert control in labels
    for drawing in find(tree, "svg"):
        assert drawing.get("aria-label") or drawing.get("aria-hidden") == "true"
    assert find(tree, "p", aria_live="polite")[0].get("id") == "count"


def test_the_verdict_comes_first_with_what_may_be_concluded(tree, result):
    (verdict,) = find(tree, "section", id="verdict")
    assert next(iter(find(tree, "main")[0])) is verdict
    words = text(verdict)
    assert f"{result.flagged} of {result.scored} inputs flagged" in words
    assert "at most 20% are flagged too" in words
    assert "A flag is a reason to look, not a proof" in words
    for note in result.notes:
        assert " ".join(note.split()) in words


def test_failed_inputs_are_named(tree, folder):
    words = text(find(tree, "section", id="failed")[0])
    assert "1 input was not scored" in words
    assert f"{folder.as_posix()}/broken.png: is not a picture" in words


def test_histograms_count_all_inputs(tree, result):
    charts = find(tree, "svg", class_="histogram")
    assert [text(one) for one in find(tree, "h3") if "Histogram" in text(one)] == [
        "Histogram of msp", "Histogram of energy", "Histogram of deviation",
    ]  # fmt: skip
    for d, chart in enumerate(charts[:2]):
        scores = np.array([one.scores[d] for one in result.inputs])
        bars = [one for one in find(chart, "rect") if one.get("class") == "bar"]
        marked = find(chart, "rect", class_="marked")
        said = [
            int(re.search(r": (\d+) inputs?", one.get("aria-label"))[1])
            for one in find(chart, "g", class_="point")
        ]
        assert sum(said) == len(scores)
        unit = float(bars[0].get("height")) / said[0]
        for bar, count in zip(bars, said, strict=True):
            assert float(bar.get("height")) == pytest.approx(unit * count, abs=0.05)
        assert sum(float(one.get("height")) for one in marked) == pytest.approx(
            unit * result.flagged, abs=0.1
        )


def test_a_thousand_inputs_fit_in_three_megabytes(tmp_path):
    save_garments(tmp_path, 1000, noise=10)
    result = onnx_ood.score(CNN, [str(tmp_path)], copies=1)
    page = score_page(result)
    assert len(page.encode()) < MAX_BYTES
    assert page.count('src="data:image/webp') == 1000 + 12


def test_a_thousand_inputs_at_a_dozen_probes_fit_too(result, tmp_path):
    # Photos take more than garments: these are as hard to compress as can be.
    rng = np.random.default_rng(0)
    inputs = []
    for i, one in enumerate(listed(result, 1000).inputs):
        Image.fromarray(rng.integers(0, 256, (96, 128, 3), dtype=np.uint8)).save(tmp_path / f"{i}.bmp")
        longer = {
            key: tuple(rng.random(12))
            for key in ("drop", "drop_error", "distortion", "flip_rate", "probe_deviations")
        }
        inputs.append(one.model_copy(update={"id": str(tmp_path / f"{i}.bmp"), **longer}))
    probes = tuple(result.probes[i % len(result.probes)] for i in range(12))
    many = result.model_copy(update={"inputs": tuple(inputs), "scored": 1000, "probes": probes})
    page = score_page(many)
    assert len(page.encode()) < MAX_BYTES
    cards = list(find(parsed(page), "ol", class_="gallery")[0])
    pictured = [bool(find(card, "img")) for card in cards]
    assert pictured[0]
    assert pictured[-1]
    if not all(pictured):
        (words,) = {one.get("title") for one in find(parsed(page), "span", class_="tile")}
        assert "Only the first and the last inputs" in words


def test_a_streamed_result_says_that_it_lists_fewer(result):
    streamed = listed(result, 1000).model_copy(update={"scored": 50_000})
    words = text(parsed(score_page(streamed, thumbnails=False)))
    assert "1,000 of the 50,000 scored inputs are listed" in words
    assert "so histograms are left out" in words


def test_results_of_every_kind_have_a_page(tmp_path, folder):
    few = save_garments(tmp_path, 3)
    alone = onnx_ood.score(CNN, [str(few[0])], onnx_ood.ScoreSettings(detectors=("deviation",), copies=1))
    broken = onnx_ood.score(CNN, [str(folder / "broken.png")])
    ranked = onnx_ood.score(CNN, [str(folder)])
    for one, words in (
        (alone, "1 input measured, not ranked"),
        (broken, "Not evaluated: 0 of 1 input could be scored"),
        (ranked, "14 inputs ranked by auto, not flagged: no references given"),
    ):
        page = score_page(one)
        assert_loads_nothing(page)
        assert words in text(find(parsed(page), "section", id="verdict")[0])


def test_the_command_in_it_measures_the_same(tree, result, folder, references, tmp_path):
    (shown,) = find(tree, "pre")
    assert "".join(shown.itertext()) == command(result)
    words = shlex.split(command(result).replace("\\\n", ""))
    at = words.index("REFERENCES")
    words[at - 1 : at + 1] = [word for path in references for word in ("--reference", str(path))]
    words[words.index("INPUTS...")] = str(folder)
    out = tmp_path / "again.json"
    assert words[0] == "onnx-ood"
    run(*words[1:], "--json", out, "--quiet").check_returncode()
    again = ScoreResult.model_validate_json(out.read_text())
    assert again.inputs == result.inputs
    assert again.nudges == result.nudges
    assert again.detector_summary == result.detector_summary


def test_prose_names_no_flags_of_the_command_line(result):
    notes = ("Known-good inputs are better (--reference).", "Use a larger --scale.")
    tree = parsed(score_page(result.model_copy(update={"notes": notes, "flagged": None}), thumbnails=False))
    assert "Known-good inputs are better." in text(tree)
    assert "Use a larger scale." in text(tree)
    verdict = find(tree, "section", id="verdict")[0]
    assert "--" not in text(verdict)


def test_the_terms_of_a_detector_are_explained(result):
    summary = result.detector_summary
    terms = (UsedTerm(name="above_baseline", meaning="unsure of <this>"),)
    first = summary.detectors[0].model_copy(update={"terms": terms, "left_out": {"activity": "no layers"}})
    values = ScoreTerm(detector=first.name, name="above_baseline", value=2.25, layer="relu", layer_number=3)
    changed = result.model_copy(
        update={
            "detector_summary": summary.model_copy(
                update={"detectors": (first, *summary.detectors[1:]), "layers": 7}
            ),
            "inputs": tuple(one.model_copy(update={"terms": (values,)}) for one in result.inputs),
        }
    )
    tree = parsed(score_page(changed, thumbnails=False))
    (table,) = (one for one in find(tree, "table") if "is the sum of" in text(one))
    assert "unsure of <this>" in text(table)
    assert "not used: no layers" in text(table)
    cards = find(tree, "span", class_="why")
    assert [text(one) for one in cards] == ["above baseline 2.2 (layer 3 of 7)"] * len(result.inputs)
    (table,) = (one for one in find(tree, "table") if "Layers that contribute most" in text(one))
    assert "layer 3 of 7" in text(table)
    assert "relu" in text(table)


def test_the_page_of_a_run_without_nudges_says_how_to_measure_drops(not_nudged):
    page = score_page(not_nudged)
    assert_loads_nothing(page)
    tree = parsed(page)
    assert ScoreResult.model_validate_json(island(tree)) == not_nudged
    jsonschema.validate(data(tree), json.loads((SCHEMAS / "score.json").read_text()))
    assert (
        page.count(
            "cosine drops were not measured. Measure them with 4 nudged copies of each input (--copies 4)"
        )
        == 1
    )
    assert find(tree, "svg", class_="profile") == []
    assert [text(one) for one in find(tree, "h3") if "Histogram" in text(one)] == ["Histogram of auto"]
    assert len(list(find(tree, "ol", class_="gallery")[0])) == not_nudged.scored
    (sort,) = find(tree, "select", id="sort")
    assert [one.get("value") for one in find(sort, "option")] == ["rank", "score", "p", "name"]
