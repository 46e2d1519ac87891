"""A scored folder and its page, shared by the tests of its parts."""

import pytest
from page_parts import parsed
from score_pages import CNN, HOSTILE, save_garments

import onnx_ood
from onnx_ood.reports.score.page import score_page


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("garments")
    paths = save_garments(folder, 14, noise=8)
    (folder / HOSTILE).parent.mkdir()
    paths[0].rename(folder / HOSTILE)
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="session")
def references(tmp_path_factory):
    return save_garments(tmp_path_factory.mktemp("references"), 30)


@pytest.fixture(scope="session")
def result(folder, references):
    settings = onnx_ood.ScoreSettings(detectors=("msp", "energy"), fpr=0.2, copies=4)
    return onnx_ood.score(CNN, [str(folder)], settings, reference=list(map(str, references)))


@pytest.fixture(scope="session")
def not_nudged(folder, references):
    return onnx_ood.score(CNN, [str(folder)], reference=list(map(str, references)), fpr=0.2)


@pytest.fixture(scope="session")
def page(result):
    return score_page(result)


@pytest.fixture(scope="session")
def tree(page):
    return parsed(page)
