"""The user's cache: where it is, what it keeps, and that it changes no number."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import platformdirs
import pytest

import onnx_ood
from onnx_ood import models
from onnx_ood.evidence.store import Store
from onnx_ood.evidence.user_cache import VARIABLE, cache_folder, trim_cache


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_it_is_the_platform_s_unless_the_variable_names_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "elsewhere")
    assert cache_folder() == Path("elsewhere")
    monkeypatch.delenv(VARIABLE)
    assert cache_folder() == Path(platformdirs.user_cache_dir("onnx_ood")) / "features"


def test_info_and_clearing_count_the_files(folder: Path) -> None:
    assert onnx_ood.cache_info().files == 0
    store = Store(folder)
    for key in "abc":
        store.keep(key, {"x": np.zeros(100)})
    (folder / "notes.txt").write_text("not ours")
    sizes = [path.stat().st_size for path in folder.glob("*/*")]
    found = onnx_ood.cache_info()
    assert (found.folder, found.files, found.size) == (str(folder), 3, sum(sizes))
    assert onnx_ood.clear_cache() == sum(sizes)
    assert onnx_ood.cache_info().files == 0
    assert (folder / "notes.txt").exists()


def test_what_was_used_longest_ago_is_removed_first(folder: Path) -> None:
    store = Store(folder)
    for age, key in enumerate("abcd"):
        store.keep(key, {"x": np.zeros(100)})
        (path,) = set(folder.glob("*/*")) - {one for one in folder.glob("*/*") if one.stat().st_mtime < 1e9}
        os.utime(path, (age, age))
    size = path.stat().st_size
    # Reading counts as use.
    assert store.find("a") is not None
    trim_cache(folder, limit=2 * size)
    assert {key for key in "abcd" if store.find(key) is not None} == {"a", "d"}


def _score(**settings: object) -> onnx_ood.ScoreResult:
    images, _ = models.fashion_samples()
    return onnx_ood.score(
        models.path("fashion_cnn"), images[:12], reference=images[12:40], copies=1, **settings
    )


def test_a_second_run_measures_no_reference_and_gives_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = _score(cache=False)
    assert not folder.exists()
    first = _score()
    assert onnx_ood.cache_info().files > 0
    monkeypatch.setattr(
        "onnx_ood.evidence.cache.CachedReader._reader",
        lambda *_: pytest.fail("references are measured again"),
    )
    assert _score() == first == plain


def test_other_detectors_do_not_change_the_last_digits(folder: Path) -> None:
    """Features that another detector measured alone are not combined with those of this run."""
    first = _score(detectors="auto")
    onnx_ood.clear_cache()
    _score(detectors="knn")
    assert _score(detectors="auto") == first


def test_a_folder_that_cannot_be_made_is_no_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "file" / "cache"))
    assert _score() == _score(cache=False)
