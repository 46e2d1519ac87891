"""Streamed runs against runs that are not, and resumed ones against those that were never interrupted."""

import shutil
import subprocess
import sys

import jsonschema
import numpy as np
import onnx
import pytest
import small_models
from streams import lines, score

import onnx_ood
from onnx_ood import models
from onnx_ood.audits.score.scoring import Scorer
from onnx_ood.audits.score.settings import ScoreSettings, Streaming
from onnx_ood.audits.score.stream.stream import Stream, count_inputs
from onnx_ood.exceptions import InputTypeError, OutputError, UsageError
from onnx_ood.inputs import Preprocessing
from onnx_ood.inputs.rows.arrays import ArrayRows
from onnx_ood.runtime import Prober


def test_a_streamed_run_gives_what_one_in_memory_gives(collection, tmp_path):
    assert score(collection, tmp_path / "s.jsonl") == score(collection)


def test_every_line_is_json_and_follows_the_published_schema(collection, tmp_path, schema):
    result = score(collection, tmp_path / "s.jsonl")
    found = lines(tmp_path / "s.jsonl")
    validator = jsonschema.Draft202012Validator(schema("score-stream"))
    for record in found:
        validator.validate(record)
    assert [record["record"] for record in found].count("header") == 1
    assert found[0]["record"] == "header"
    assert found[0]["model"]["sha256"] == result.model.sha256
    (calibration,) = (record for record in found if record["record"] == "calibration")
    assert [probe["name"] for probe in calibration["probes"]] == [probe.name for probe in result.probes]
    assert [probe["noise_floor"] for probe in calibration["probes"]] == [
        probe.noise_floor for probe in result.probes
    ]
    scored = {record["id"]: record for record in found if record["record"] == "scored"}
    assert len(scored) == len(result.inputs)
    for entry in result.inputs:
        record = scored[entry.id]
        for name in ("drop", "drop_error", "distortion", "flip_rate"):
            assert record[name] == list(getattr(entry, name))
        assert record["published_score"] == entry.published_score
        assert record["prediction"]["label"] == entry.prediction.label
    failed = [(record["id"], record["reason"]) for record in found if record["record"] == "failed"]
    assert failed == [(failure.id, failure.reason) for failure in result.failed]
    assert {name.rsplit("/", 1)[-1] for name, _ in failed} == {
        "broken.png", "rows.npy[5]", "wrong.npy", "unreadable.png"
    }  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such locks")
def test_two_runs_do_not_write_one_file(rows_model, tmp_path):
    rows_model(tmp_path / "s.jsonl")
    other = "import fcntl, sys; fcntl.flock(f := open(sys.argv[1], 'rb+'), fcntl.LOCK_EX); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", other, tmp_path / "s.jsonl"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        with pytest.raises(UsageError, match="another run is writing it"):
            rows_model(tmp_path / "s.jsonl", resume=True)
        process.communicate(b"\n")
    assert rows_model(tmp_path / "s.jsonl", resume=True).scored == 38


class KilledError(Exception):
    """Stands for whatever ends a run."""


def interrupt(monkeypatch, after):
    """Ends a run at its `after`-th measurement; returns what takes that back."""
    original, calls = Prober.measure, iter(range(1_000_000))

    def measure(self, *arguments, **keywords):
        if next(calls) == after:
            raise KilledError
        return original(self, *arguments, **keywords)

    monkeypatch.setattr(Prober, "measure", measure)


@pytest.mark.parametrize("after", [0, 1, 2, 4, 6])
def test_an_interrupted_run_is_taken_up_as_if_nothing_had_been(collection, tmp_path, monkeypatch, after):
    whole = score(collection, tmp_path / "whole.jsonl")
    with monkeypatch.context() as patched:
        interrupt(patched, after)
        with pytest.raises(KilledError):
            score(collection, tmp_path / "s.jsonl")
    begun = (tmp_path / "s.jsonl").read_bytes()
    assert (tmp_path / "whole.jsonl").read_bytes().startswith(begun)
    assert score(collection, tmp_path / "s.jsonl", resume=True) == whole
    assert (tmp_path / "s.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


@pytest.fixture
def rows_model(tmp_path):
    """A model of five features, and forty rows for it."""
    graph = "g (float[N, 5] x) => (float[N, 4] y) { m = MatMul (x, w)  y = Relu (m) }"
    onnx.save(small_models.build(graph, {"w": small_models.normal(5, 4)}), tmp_path / "m.onnx")
    rows = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
    rows[[3, 21]] = np.inf
    np.save(tmp_path / "rows.npy", rows)

    def run(path, **options):
        return onnx_ood.score(
            tmp_path / "m.onnx",
            [str(tmp_path / "rows.npy")],
            ScoreSettings(batch_size=7, copies=1),
            streaming=Streaming(path, **options),
        )

    return run


def test_a_file_that_breaks_off_anywhere_is_taken_up(rows_model, tmp_path):
    whole = rows_model(tmp_path / "whole.jsonl")
    text = (tmp_path / "whole.jsonl").read_bytes()
    header = text.index(b"\n") + 1
    # In the header, behind it, in the calibration, then here and there, and the whole file.
    for size in [0, 1, 70, header - 1, header, header + 50, *range(header + 700, len(text), 977), len(text)]:
        (tmp_path / "s.jsonl").write_bytes(text[:size])
        assert rows_model(tmp_path / "s.jsonl", resume=True) == whole, size
        assert (tmp_path / "s.jsonl").read_bytes() == text, size


def test_inputs_are_counted_as_the_parsed_stream_has_them(rows_model, tmp_path):
    rows_model(tmp_path / "s.jsonl")
    whole = (tmp_path / "s.jsonl").read_bytes()
    counts = []
    for size in range(len(whole.split(b"\n")[0]) + 1, len(whole) + 1, 97):
        (tmp_path / "cut.jsonl").write_bytes(whole[:size])
        with (tmp_path / "cut.jsonl").open("rb") as file:
            stream = Stream(file)
        counts.append(count_inputs(tmp_path / "cut.jsonl"))
        assert counts[-1] == stream.scored + stream.unscored
    assert counts[0] == 0 < counts[-1]
    (tmp_path / "other.jsonl").write_bytes(b"[1]\n")
    assert count_inputs(tmp_path / "other.jsonl") == count_inputs(tmp_path / "none.jsonl") == 0


def test_what_is_done_is_not_read_again(collection, tmp_path, monkeypatch):
    # Inputs that serve as references are read in each run.
    settings = ScoreSettings(copies=2, batch_size=4, bundled_reference=False)
    whole = score(collection, tmp_path / "s.jsonl", settings)

    def refuse(*arguments, **keywords):
        raise AssertionError("was read again")

    monkeypatch.setattr(Preprocessing, "read", refuse)
    monkeypatch.setattr(ArrayRows, "rows", refuse)
    monkeypatch.setattr(Prober, "measure", refuse)
    assert score(collection, tmp_path / "s.jsonl", settings, resume=True) == whole


def test_inputs_are_known_by_id_wherever_they_come(collection, tmp_path, monkeypatch):
    """Interrupted, then given in another order, with one more in front and one less at the end."""
    whole = score(collection)
    with monkeypatch.context() as patched:
        interrupt(patched, 5)
        with pytest.raises(KilledError):
            score(collection, tmp_path / "s.jsonl")
    begun = {record["id"] for record in lines(tmp_path / "s.jsonl") if "id" in record}
    assert 8 <= len(begun) < whole.scored
    shutil.copy(collection / "garment-03.png", tmp_path / "new.png")
    paths = sorted(collection.iterdir(), reverse=True)
    gone = collection / "garment-00.png"
    assert str(gone) in begun
    result = score(
        [tmp_path / "new.png", *(path for path in paths if path != gone)], tmp_path / "s.jsonl", resume=True
    )
    ids = [record["id"] for record in lines(tmp_path / "s.jsonl") if "id" in record]
    assert len(ids) == len(set(ids))
    assert set(ids) == {entry.id for entry in (*whole.inputs, *whole.failed)} | {str(tmp_path / "new.png")}
    drops = {entry.id: entry.drop for entry in whole.inputs}
    for entry in result.inputs:
        if entry.id != str(tmp_path / "new.png"):
            assert entry.drop == pytest.approx(drops[entry.id], rel=1e-5)
    assert any(note.startswith("1 inputs of the resumed run") for note in result.notes)


def test_a_resumed_run_keeps_the_noise_floor_that_the_first_inputs_gave(rows_model, tmp_path):
    whole = rows_model(tmp_path / "s.jsonl")
    kept = (tmp_path / "s.jsonl").read_bytes().splitlines(keepends=True)[:10]
    (tmp_path / "s.jsonl").write_bytes(b"".join(kept).replace(b'"noise_floor":', b'"noise_floor":1'))
    result = rows_model(tmp_path / "s.jsonl", resume=True)
    assert result.probes[0].noise_floor == float(f"1{whole.probes[0].noise_floor}")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scale": 0.5}, "scale 0.02, now 0.5"),
        ({"copies": 3}, "copies 2, now 3"),
        ({"seed": 4}, "seed 0, now 4"),
        ({"probes": ("outputs",)}, "probes .*, now logits"),
        ({"exact": True}, "exact False, now True"),
        ({"batch_size": 5}, "batch size 4, now 5"),
        ({"preprocess": "symmetric"}, "preprocessing"),
        ({"scale": 0.5, "seed": 1}, "seed 0, now 1"),
    ],
)
def test_other_settings_are_refused_by_name(garments, tmp_path, change, words):
    score(garments, tmp_path / "s.jsonl")
    before = (tmp_path / "s.jsonl").read_bytes()
    other = ScoreSettings(**{"batch_size": 4, "copies": 2, **change})
    with pytest.raises(UsageError, match=words) as caught:
        score(garments, tmp_path / "s.jsonl", other, resume=True)
    assert "\n" not in str(caught.value)
    assert (tmp_path / "s.jsonl").read_bytes() == before


def test_settings_without_a_value_are_named_none(garments, tmp_path):
    """Detectors rank without nudges: no probes are watched then."""
    plain = ScoreSettings(detectors=("msp",), batch_size=4)
    score(garments, tmp_path / "s.jsonl", plain)
    nudged = ScoreSettings(detectors=("msp",), batch_size=4, copies=4, probes=("outputs",))
    with pytest.raises(UsageError, match="copies 0, now 4; probes none, now logits;"):
        score(garments, tmp_path / "s.jsonl", nudged, resume=True)


def test_another_model_and_another_version_are_refused(garments, tmp_path):
    score(garments, tmp_path / "s.jsonl")
    text = (tmp_path / "s.jsonl").read_text()
    for old, new, words in (
        (onnx_hash := lines(tmp_path / "s.jsonl")[0]["model"]["sha256"], "0" * 64, onnx_hash),
        ('"onnx_ood":"0.1.0"', '"onnx_ood":"0.0.9"', "onnx_ood 0.0.9, now 0.1.0"),
    ):
        (tmp_path / "s.jsonl").write_text(text.replace(old, new, 1))
        with pytest.raises(UsageError, match=words[:30]):
            score(garments, tmp_path / "s.jsonl", resume=True)


def test_a_file_is_neither_overwritten_nor_taken_for_a_stream(garments, tmp_path):
    (tmp_path / "s.jsonl").write_text('{"a": 1}\n')
    for resume, error, words in (
        (False, UsageError, "already exists; resume it with resume=True"),
        (True, OutputError, "is not a stream of onnx-ood score"),
    ):
        with pytest.raises(error, match=words):
            score(garments, tmp_path / "s.jsonl", resume=resume)
        assert (tmp_path / "s.jsonl").read_text() == '{"a": 1}\n'
    # Without a line feed it looks like a line that broke off.
    (tmp_path / "s.jsonl").write_text("precious")
    with pytest.raises(OutputError, match="not a stream"):
        score(garments, tmp_path / "s.jsonl", resume=True)
    assert (tmp_path / "s.jsonl").read_text() == "precious"


def test_a_damaged_line_is_named(rows_model, tmp_path):
    rows_model(tmp_path / "s.jsonl")
    found = (tmp_path / "s.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "s.jsonl").write_bytes(b"".join([*found[:6], found[6][:40] + b"\n", *found[7:]]))
    with pytest.raises(OutputError, match="line 7 is damaged"):
        rows_model(tmp_path / "s.jsonl", resume=True)


def test_a_mistake_in_the_settings_leaves_no_file(garments, tmp_path):
    with pytest.raises(UsageError):
        score(garments, tmp_path / "s.jsonl", ScoreSettings(batch_size=0))
    assert not list(tmp_path.iterdir())


def test_nothing_is_left_beside_the_stream(rows_model, tmp_path):
    before = {path.name for path in tmp_path.iterdir()}
    rows_model(tmp_path / "s.jsonl")
    assert {path.name for path in tmp_path.iterdir()} == before | {"s.jsonl"}


def test_a_disk_that_is_full_is_one_line(rows_model, tmp_path, monkeypatch):
    def full(*arguments, **keywords):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("tempfile.TemporaryFile", full)
        with pytest.raises(OutputError, match=r"cannot be written: No space left on device"):
            rows_model(tmp_path / "s.jsonl")
    # The stream itself is whole: nothing has to be measured again.
    monkeypatch.setattr(Prober, "measure", full)
    assert rows_model(tmp_path / "s.jsonl", resume=True).scored == 38


def test_a_stream_of_another_type_is_one_line(tmp_path):
    images = np.zeros((8, 28, 28), np.uint8)
    with pytest.raises(InputTypeError, match="streaming: expected Streaming or None, found str"):
        onnx_ood.score(models.path("fashion_cnn"), images, streaming=str(tmp_path / "s.jsonl"))
    with pytest.raises(InputTypeError, match="expected a path, found int"):
        onnx_ood.Streaming(3)
    with pytest.raises(UsageError, match="most_listed is 0; list at least 1 input"):
        onnx_ood.Streaming(tmp_path / "s.jsonl", most_listed=0)
    assert onnx_ood.Streaming(str(tmp_path / "s.jsonl")) == onnx_ood.Streaming(tmp_path / "s.jsonl")


NOT_NUDGED = ScoreSettings(batch_size=4)


@pytest.mark.parametrize("after", [0, 2, 4])
def test_a_run_without_nudges_is_taken_up_too(collection, tmp_path, monkeypatch, schema, after):
    in_memory = score(collection, settings=NOT_NUDGED)
    assert (in_memory.nudges, in_memory.probes) == (None, ())
    whole = score(collection, tmp_path / "whole.jsonl", NOT_NUDGED)
    assert whole == in_memory
    validator = jsonschema.Draft202012Validator(schema("score-stream"))
    for record in lines(tmp_path / "whole.jsonl"):
        validator.validate(record)
    with monkeypatch.context() as patched:
        original, calls = Scorer.score, iter(range(1_000_000))

        def fail(self, batch):
            if next(calls) == after:
                raise KilledError
            return original(self, batch)

        patched.setattr(Scorer, "score", fail)
        with pytest.raises(KilledError):
            score(collection, tmp_path / "s.jsonl", NOT_NUDGED)
    assert score(collection, tmp_path / "s.jsonl", NOT_NUDGED, resume=True) == whole
    assert (tmp_path / "s.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ({}, {"copies": 4}, "copies 0, now 4"),
        ({"copies": 4}, {}, "copies 4, now 0"),
        ({}, {"adaptive": True, "copies": 16}, "copies 0, now 16"),
        ({}, {"seed": 1}, "seed 0, now 1"),
        ({"copies": 2}, {"copies": 2, "seed": 1}, "seed 0, now 1"),
    ],
)
def test_a_run_is_not_resumed_with_other_copies(garments, tmp_path, before, after, words):
    paths = [str(path) for path in sorted(garments.iterdir())]
    score(paths * 4, tmp_path / "s.jsonl", ScoreSettings(**before))
    with pytest.raises(UsageError, match=words) as caught:
        score(paths * 4, tmp_path / "s.jsonl", ScoreSettings(**after), resume=True)
    assert str(caught.value).count(words.split()[0]) == 1


@pytest.mark.parametrize(
    ("after", "words"),
    [
        ({"copies": 4}, "copies 0, now 4"),
        ({"seed": 1}, "seed 0, now 1"),
        ({"fpr": 0.2}, "fpr 0.05, now 0.2"),
        ({"detectors": ("energy", "msp")}, "detectors msp, now energy, msp"),
        ({"detectors": ()}, "detectors msp, now auto"),
        ({"batch_size": 3}, "batch size none, now 3"),
        ({"scale": 0.3}, "copies 0, now 4"),
        ({"limit": 30}, "limit none, now 30"),
    ],
)
def test_other_settings_are_refused_before_references_are_measured(
    garments, tmp_path, monkeypatch, after, words
):
    stream = onnx_ood.Streaming(tmp_path / "s.jsonl", resume=True)
    model, given = models.path("fashion_cnn"), [str(garments)]
    before = ScoreSettings(detectors="msp")
    references = np.random.default_rng(0).integers(0, 256, (20, 28, 28), np.uint8)
    onnx_ood.score(model, given, before, reference=references, streaming=stream)
    written = stream.path.read_bytes()
    monkeypatch.setattr("onnx_ood.audits.score.audit.fit_scorer", None)
    with pytest.raises(UsageError, match=words) as caught:
        onnx_ood.score(model, given, before.replaced(**after), reference=references, streaming=stream)
    assert "references" not in str(caught.value)
    assert stream.path.read_bytes() == written
