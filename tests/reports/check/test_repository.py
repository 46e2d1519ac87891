"""Paths relative to a repository, in the formats that services read."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from check_results import check_result, gate_result

from onnx_ood.reports.check.github import to_annotations
from onnx_ood.reports.check.gitlab import to_gitlab
from onnx_ood.reports.check.repository import repository_path
from onnx_ood.reports.check.sarif import to_sarif


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("GITHUB_WORKSPACE", "CI_PROJECT_DIR"):
        monkeypatch.delenv(name, raising=False)
    for project in ("a", "b"):
        (tmp_path / "repository" / project).mkdir(parents=True)
    return tmp_path / "repository"


@pytest.mark.parametrize("found", ["GITHUB_WORKSPACE", "CI_PROJECT_DIR", ".git folder", ".git file", "link"])
def test_every_format_names_files_from_the_root_and_tells_projects_apart(
    found: str, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if found == ".git folder":
        (repository / ".git").mkdir()
    elif found == ".git file":  # a worktree or submodule
        (repository / ".git").write_text("gitdir: elsewhere")
    elif found == "link":
        (repository.parent / "link").symlink_to(repository)
        monkeypatch.setenv("GITHUB_WORKSPACE", str(repository.parent / "link"))
    else:
        monkeypatch.setenv(found, str(repository))
    fingerprints = set()
    for project in ("a", "b"):
        monkeypatch.chdir(repository / project)
        for file in ("onnx-ood.toml", str(repository / project / "onnx-ood.toml")):
            result = check_result(gate_result("failed"), file=file)
            (issue,) = json.loads(to_gitlab(result))
            (alert,) = json.loads(to_sarif(result))["runs"][0]["results"]
            place = alert["locations"][0]["physicalLocation"]["artifactLocation"]
            annotation = re.search("file=([^,]*),", to_annotations(result))
            assert annotation is not None
            assert annotation[1] == issue["location"]["path"] == f"{project}/onnx-ood.toml"
            assert place == {"uri": f"{project}/onnx-ood.toml", "uriBaseId": "%SRCROOT%"}
            fingerprints.add((issue["fingerprint"], alert["partialFingerprints"]["primaryLocationLineHash"]))
    assert len(fingerprints) == 2


def test_a_file_outside_of_any_repository_keeps_its_path(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository / "a")
    if any((folder / ".git").exists() for folder in repository.parents):
        pytest.skip("the temporary folder is in a repository")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(repository / "b"))
    assert repository_path("onnx-ood.toml") == "onnx-ood.toml"
