"""The notebook in docs/ runs from start to end, and what it shows is so."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import onnxruntime
import pytest
from scipy.special import softmax

from onnx_ood import models

TOUR = Path(__file__).parents[1] / "docs" / "tour.ipynb"


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Names that the cells define, and the folder that they ran in."""
    folder = tmp_path_factory.mktemp("tour")
    names: dict[str, object] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for place, cell in enumerate(json.loads(TOUR.read_text())["cells"]):
            if cell["cell_type"] == "code":
                exec(compile("".join(cell["source"]), f"{TOUR.name}, cell {place}", "exec"), names)
    return names, folder


def test_the_notebook_is_stored_without_outputs():
    for cell in json.loads(TOUR.read_text())["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def test_inverted_garments_are_more_unusual(ran):
    names, _ = ran
    frame = names["frame"]
    assert len(frame) == 30
    assert frame["inverted"].sum() == 10
    means = frame.groupby("inverted")["p_value"].mean()
    assert means[True] < means[False]
    assert names["again"].inputs == names["result"].inputs


def test_aurocs_of_confidence_are_those_of_the_runtime(ran):
    names, _ = ran
    session = onnxruntime.InferenceSession(models.path("fashion_cnn"))

    def confidence(images):
        batch = (images[:, np.newaxis] / 255).astype(np.float32)
        (logits,) = session.run(None, {session.get_inputs()[0].name: batch})
        return softmax(logits.astype(np.float64), axis=1).max(axis=1)

    good = confidence(names["images"][100:140])
    table = names["benched"].to_dataframe().set_index(["detector", "set"])["auroc"]
    for name, images in (("noise", names["noise"]), ("inverted", 255 - names["images"][100:140])):
        odd = confidence(images)
        wins = (good[:, None] > odd).mean() + (good[:, None] == odd).mean() / 2
        assert table["msp", name] == pytest.approx(wins)


def test_files_of_the_notebook_are_made(ran):
    _, folder = ran
    assert ElementTree.parse(folder / "bench.svg").getroot().tag.endswith("svg")
    assert (folder / "bench.html").read_text().startswith("<!doctype html>")
