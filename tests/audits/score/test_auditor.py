"""Auditors against `score`, which measures the references anew for each call."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import small_models
from PIL import Image

import onnx_ood
from onnx_ood import models
from onnx_ood.exceptions import InputTypeError, ModelError, OutputError, UsageError

FASHION = models.path("fashion_cnn")
SETTINGS = {"detectors": "energy,knn", "provider": "cpu", "batch_size": 8, "copies": 2}


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """Garments, uint8 [60, 28, 28]."""
    found, _ = models.fashion_samples()
    return found[np.random.default_rng(3).permutation(len(found))[:60]]


@pytest.fixture(scope="module")
def folder(images: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("garments")
    for name, part in (("good", images[:40]), ("new", images[40:])):
        (root / name).mkdir()
        for i, image in enumerate(part):
            Image.fromarray(image).save(root / name / f"{i:02}.png")
    return root


@pytest.fixture(scope="module")
def auditor(folder: Path) -> onnx_ood.Auditor:
    return onnx_ood.fit(FASHION, folder / "good", **SETTINGS)


@pytest.fixture(scope="module")
def expected(folder: Path) -> onnx_ood.ScoreResult:
    return onnx_ood.score(FASHION, folder / "new", reference=folder / "good", **SETTINGS)


def _columns(result: onnx_ood.ScoreResult) -> np.ndarray:
    """Scores and p-values, in the order of the inputs."""
    rows = sorted(result.inputs, key=lambda entry: (len(entry.id), entry.id))
    return np.array([[*entry.scores, entry.p_value, *entry.drop] for entry in rows])


@pytest.mark.parametrize("name", ["fpr", "settings", "notes", "references", "model", "color"])
def test_no_attribute_can_be_set(auditor: onnx_ood.Auditor, name: str) -> None:
    advice = r"fpr=\.\.\." if name == "fpr" else "" if name == "model" else "other settings"
    with pytest.raises(
        AttributeError, match=rf"{name} of an auditor cannot be set; fit again: .*reference, {advice}"
    ):
        setattr(auditor, name, 0.3)


def test_an_auditor_scores_as_score_does_every_time(auditor, expected, folder):
    for _ in range(2):
        assert auditor.score(folder / "new").inputs == expected.inputs
    assert (auditor.detectors, auditor.references) == (("energy", "knn"), 40)


def test_an_auditor_nudges_on_request_only(folder, expected, tmp_path):
    fitted = onnx_ood.fit(FASHION, folder / "good", **(SETTINGS | {"copies": None}))
    fitted.save(tmp_path / "a.npz")
    for auditor in (fitted, onnx_ood.Auditor.load(tmp_path / "a.npz"), pickle.loads(pickle.dumps(fitted))):
        result = auditor.score(folder / "new")
        assert (result.nudges, result.probes, result.run.observer_effect) == (None, (), None)
        own, nudged = ({one.id: one for one in each} for each in (result, expected))
        assert own.keys() == nudged.keys()
        for name, one in own.items():
            assert one.scores == pytest.approx(nudged[name].scores, rel=1e-6)
            assert one.p_value == nudged[name].p_value
            assert one.prediction.index == nudged[name].prediction.index


def test_inputs_of_any_kind_score_alike(auditor, expected, folder, images):
    new = images[40:]
    scaled = (new[:, np.newaxis] / 255).astype(np.float32)
    paths = sorted((folder / "new").iterdir())
    for inputs in (
        paths,
        [str(path) for path in paths],
        str(folder / "new" / "*.png"),
        new,
        scaled,
        [Image.fromarray(image) for image in new],
        list(scaled),
    ):
        np.testing.assert_allclose(_columns(auditor.score(inputs)), _columns(expected), rtol=1e-6, atol=1e-12)


def test_references_of_any_kind_fit_alike(expected, folder, images):
    for reference in (images[:40], [Image.fromarray(image) for image in images[:40]]):
        result = onnx_ood.fit(FASHION, reference, **SETTINGS).score(folder / "new")
        np.testing.assert_allclose(_columns(result), _columns(expected), rtol=1e-6, atol=1e-12)


def test_a_saved_auditor_scores_alike_without_the_references(auditor, expected, folder, tmp_path):
    reference = tmp_path / "moved"
    shutil.copytree(folder / "good", reference)
    onnx_ood.fit(FASHION, reference, **SETTINGS).save(tmp_path / "auditor.npz")
    shutil.rmtree(reference)
    loaded = onnx_ood.Auditor.load(tmp_path / "auditor.npz")
    pickled = pickle.loads(pickle.dumps(auditor))
    for one in (loaded, pickled):
        assert one.settings == auditor.settings
        np.testing.assert_allclose(_columns(one.score(folder / "new")), _columns(expected), rtol=1e-12)
    assert [path.name for path in tmp_path.iterdir()] == ["auditor.npz"]


def test_a_loaded_auditor_notes_copies_of_references_under_other_names(auditor, folder, tmp_path):
    (tmp_path / "in").mkdir()
    shutil.copy(folder / "good" / "03.png", tmp_path / "in" / "copy.png")
    shutil.copy(folder / "new" / "01.png", tmp_path / "in" / "new.png")
    auditor.save(tmp_path / "auditor.npz")
    loaded = onnx_ood.Auditor.load(tmp_path / "auditor.npz")
    for one in (auditor, loaded, pickle.loads(pickle.dumps(auditor))):
        notes = [note for note in one.score(tmp_path / "in").notes if "same values as references" in note]
        assert len(notes) == 1
        assert "copy.png has the same values" in notes[0]


def test_a_loaded_auditor_scales_nudges_by_references_in_memory(save, tmp_path):
    """Its references have no files; the spread is theirs all the same, not that of the inputs."""
    text = "t (float[N, 4] x) => (float[N, 3] y) { h = MatMul (x, w) r = Relu (h) y = MatMul (r, v) }"
    weights = {"w": small_models.normal(4, 8), "v": small_models.normal(8, 3)}
    rows = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32) * np.float32([1, 10, 100, 1000])
    fitted = onnx_ood.fit(
        save(small_models.build(text, weights)), rows[:30], copies=2, provider="cpu", cache=False
    )
    fitted.save(tmp_path / "auditor.npz")
    inputs = rows[30:] / 7
    assert onnx_ood.Auditor.load(tmp_path / "auditor.npz").score(inputs) == fitted.score(inputs)


def test_a_saved_auditor_holds_no_pickle(auditor, tmp_path):
    auditor.save(tmp_path / "auditor.npz")
    with zipfile.ZipFile(tmp_path / "auditor.npz") as archive:
        for name in archive.namelist():
            np.lib.format.read_array(io.BytesIO(archive.read(name)), allow_pickle=False)


def test_an_auditor_refuses_another_model(auditor, tmp_path):
    auditor.save(tmp_path / "auditor.npz")
    with pytest.raises(UsageError, match=r"fitted to another model.*the SHA-256 of the model file"):
        onnx_ood.Auditor.load(tmp_path / "auditor.npz", models.path("fashion_resnet"))
    copied = tmp_path / "copy.onnx"
    shutil.copy(FASHION, copied)
    assert onnx_ood.Auditor.load(tmp_path / "auditor.npz", copied).model == copied


def test_an_auditor_of_a_model_that_has_moved_says_so(folder, tmp_path):
    shutil.copy(FASHION, tmp_path / "here.onnx")
    auditor = onnx_ood.fit(tmp_path / "here.onnx", folder / "good", detectors="energy", preprocess="unit,L")
    auditor.save(tmp_path / "auditor.npz")
    expected = auditor.score(folder / "new").inputs
    (tmp_path / "here.onnx").rename(tmp_path / "there.onnx")
    with pytest.raises(ModelError, match="if it has moved, give its new path as model"):
        onnx_ood.Auditor.load(tmp_path / "auditor.npz")
    found = onnx_ood.Auditor.load(tmp_path / "auditor.npz", tmp_path / "there.onnx")
    assert found.score(folder / "new").inputs == expected


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "other"])
def test_a_damaged_file_is_one_line(auditor, damage, tmp_path):
    path = tmp_path / "auditor.npz"
    auditor.save(path)
    whole = path.read_bytes()
    if damage == "other":
        np.savez(path, auditor=np.frombuffer(b'{"format": "onnx-ood/auditor/99"}', np.uint8))
    else:
        path.write_bytes({"empty": b"", "text": b"not an archive", "cut": whole[: len(whole) // 2]}[damage])
    with pytest.raises(UsageError, match=r"auditor\.npz: .*fit again") as error:
        onnx_ood.Auditor.load(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("edited", [np.array(3), np.full((40, 10), np.nan), np.zeros((0, 10)), np.zeros(3)])
def test_references_that_were_edited_are_refused(auditor, edited, tmp_path):
    path = tmp_path / "auditor.npz"
    auditor.save(path)
    with np.load(path) as file:
        arrays = dict(file)
    name = next(one for one in arrays if "logits" in one)
    np.savez(path, **arrays | {name: edited})
    with pytest.raises(UsageError, match=r"auditor\.npz: is damaged: .*fit again"):
        onnx_ood.Auditor.load(path)


def test_an_auditor_that_cannot_be_written_or_read(auditor, tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        auditor.save(tmp_path / "no folder" / "auditor.npz")
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        onnx_ood.Auditor.load(tmp_path / "nothing.npz")


def test_without_references_inputs_are_ranked_and_not_flagged(folder):
    auditor = onnx_ood.fit(FASHION, preprocess="unit,L")
    assert auditor.references == 0
    result = auditor.score(folder / "new")
    assert result.flagged is None
    assert {entry.flagged for entry in result.inputs} == {None}
    assert "references: 0" in repr(auditor)


@pytest.mark.parametrize("wrong", [3, 2.5, {1, 2}, object(), [["nested"]], b"bytes"])
def test_a_wrong_type_is_one_error_that_names_what_is_taken(auditor, wrong):
    with pytest.raises(InputTypeError, match="path") as error:
        auditor.score(wrong)
    assert isinstance(error.value, TypeError)
    assert "\n" not in str(error.value)


def test_a_saved_auditor_that_was_edited_is_refused(auditor, tmp_path):
    auditor.save(tmp_path / "auditor.npz")
    with np.load(tmp_path / "auditor.npz") as file:
        arrays = dict(file)
    text = json.loads(arrays.pop("auditor").tobytes())
    name = next(key for key in arrays if arrays[key].ndim == 2)
    for changed, fields in (
        ({key: value for key, value in arrays.items() if key != name}, {}),
        ({**arrays, name: arrays[name][:3]}, {}),
        ({**arrays, name: arrays[name][:, :0]}, {}),
        ({**arrays, name: arrays[name].astype(str)}, {}),
        (arrays, {"reference": "none"}),
        (arrays, {"reference_digests": ["no hex"]}),
        (arrays, {"reference_ids": text["reference_ids"][:4]}),
    ):
        edited = np.frombuffer(json.dumps(text | fields).encode(), np.uint8)
        np.savez(tmp_path / "edited.npz", auditor=edited, **changed)
        with pytest.raises(UsageError, match=r"edited\.npz: .*fit again"):
            onnx_ood.Auditor.load(tmp_path / "edited.npz")


def test_links_are_kept_and_folders_refused(auditor, expected, folder, tmp_path):
    (tmp_path / "link.npz").symlink_to(tmp_path / "target.npz")
    auditor.save(tmp_path / "link.npz")
    assert (tmp_path / "link.npz").is_symlink()
    assert onnx_ood.Auditor.load(tmp_path / "target.npz").score(folder / "new").inputs == expected.inputs
    for path in (tmp_path, tmp_path / ("x" * 300), tmp_path / "target.npz" / "below"):
        with pytest.raises(OutputError, match=r"cannot be written|is a folder"):
            auditor.save(path)


@pytest.mark.parametrize("reference", [[], (), (one for one in ())])
def test_empty_references_are_refused(reference):
    with pytest.raises(UsageError, match="reference is empty; give at least 10"):
        onnx_ood.fit(FASHION, reference, detectors="energy")


def test_references_that_do_not_differ_are_refused(images):
    with pytest.raises(UsageError, match="detector mahalanobis cannot learn from these references"):
        onnx_ood.fit(FASHION, np.repeat(images[:1], 20, axis=0), detectors="mahalanobis", provider="cpu")


def test_references_that_are_missing_are_named(folder):
    with pytest.raises(UsageError, match="nofolder: no such file or folder"):
        onnx_ood.fit(FASHION, folder / "nofolder", detectors="energy")


def test_an_empty_folder_of_the_cache_is_refused(images):
    with pytest.raises(UsageError, match="an empty path names no folder"):
        onnx_ood.score(FASHION, images[:8], cache="")


def test_names_are_separated_by_single_commas(images):
    for names in ("", "energy,", "energy,,msp"):
        with pytest.raises(UsageError, match="an empty name"):
            onnx_ood.score(FASHION, images[:8], detectors=names)


def test_an_auditor_never_replaces_what_it_was_fitted_from(folder, tmp_path):
    shutil.copy(FASHION, tmp_path / "model.onnx")
    (tmp_path / "link").symlink_to(tmp_path / "model.onnx")
    auditor = onnx_ood.fit(tmp_path / "model.onnx", folder / "good", detectors="energy", preprocess="unit,L")
    kept = {path: path.read_bytes() for path in (tmp_path / "model.onnx", folder / "good" / "00.png")}
    for path in (*kept, tmp_path / "link"):
        with pytest.raises(UsageError, match="name another file"):
            auditor.save(path)
    assert all(path.read_bytes() == content for path, content in kept.items())


def test_the_report_says_what_the_preprocessing_is_applied_to() -> None:
    images, _ = models.fashion_samples()
    auditor = onnx_ood.fit(models.path("fashion_cnn"), reference=images[:40:2], detectors="energy", copies=1)
    assert "not applied" not in str(auditor.score(images[1:4]).preprocessing)
    tensors = (images[1:4, np.newaxis] / 255).astype(np.float32)
    assert str(auditor.score(tensors).preprocessing).startswith("not applied: all inputs are arrays")


@pytest.mark.parametrize(("name", "value"), [("copies", 4), ("fpr", 0.1)])
def test_settings_belong_to_fit_not_to_score(auditor, folder, name, value):
    with pytest.raises(UsageError, match=rf"^Auditor.score: .*: onnx_ood.fit\(..., {name}={value}\)$"):
        auditor.score(str(folder / "new"), **{name: value})
    with pytest.raises(UsageError, match="unknown argument 'progres'; did you mean 'progress'"):
        auditor.score(str(folder / "new"), progres=None)
