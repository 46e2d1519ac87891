"""Sets of a protocol in folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import protocol_folders
import pytest

from onnx_ood.audits.bench.protocol_sets import PROTOCOLS, open_protocol
from onnx_ood.exceptions import InputTypeError, UsageError


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return protocol_folders.write_data(tmp_path / "data")


def test_sets_and_their_groups_are_those_of_openood() -> None:
    # DATA_INFO in openood/evaluation_api/datasets.py at commit 3c35632.
    names = {
        name: ([one.name for one in protocol.near], [one.name for one in protocol.far])
        for name, protocol in PROTOCOLS.items()
    }
    assert names == {
        "cifar10": (["cifar100", "tin"], ["mnist", "svhn", "texture", "places365"]),
        "imagenet200": (["ssb_hard", "ninco"], ["inaturalist", "textures", "openimage_o"]),
    }


def test_each_set_is_found_by_its_list_or_folder_or_named_as_missing(data: Path) -> None:
    found = open_protocol("cifar10", str(data))
    statuses = {one.named.name: one.status for one in (found.id, *found.near, *found.far)}
    assert statuses == {
        "cifar10": "complete",
        "cifar100": "complete",
        "tin": "complete",
        "mnist": "folder",
        "svhn": "partial",
        "texture": "missing",
        "places365": "missing",
    }
    assert [*found.sources.ood] == ["cifar100", "tin", "mnist", "svhn"]
    assert [path.name for path in found.sources.ood["svhn"].paths] == [
        f"{i:04}.png" for i in range(4, protocol_folders.COUNT)
    ]
    assert [path.name for path in found.lists] == [
        f"test_{name}.txt" for name in ("cifar10", "cifar100", "tin", "svhn")
    ]
    svhn = found.far[1]
    assert (len(svhn.source.items), svhn.listed) == (protocol_folders.COUNT - 4, protocol_folders.COUNT)
    _, labels, _ = protocol_folders.garment_sets()
    assert list(found.id.labels.values()) == labels
    assert all(Path(name).is_file() for name in found.id.labels)


def test_a_folder_per_set_needs_no_lists(tmp_path: Path) -> None:
    garments, _, sets = protocol_folders.garment_sets()
    np.save(tmp_path / "cifar10.npy", garments)
    np.savez(tmp_path / "tin.npz", sets["tin"])
    (tmp_path / "svhn").mkdir()
    (tmp_path / "svhn" / "one.png").write_bytes(b"")
    found = open_protocol("cifar10", [tmp_path])
    assert {name: one.paths for name, one in found.sources.ood.items()} == {
        "tin": (tmp_path / "tin.npz",),
        "svhn": (tmp_path / "svhn" / "one.png",),
    }
    assert found.id.labels == {}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("/etc/passwd 0", r"line 2: found path '/etc/passwd'; paths are relative to"),
        ("../../other.png 0", r"line 2: found path '../../other.png'; paths are relative to"),
        ("cifar10/test/0000.png", r"line 2: found 'cifar10/test/0000.png'; expected PATH LABEL"),
        ("cifar10/test/0000.png cat", r"line 2: found 'cifar10/test/0000.png cat'; expected PATH LABEL"),
    ],
)
def test_lines_that_are_no_path_with_a_label_are_refused(data: Path, line: str, expected: str) -> None:
    path = data / "benchmark_imglist" / "cifar10" / "test_cifar10.txt"
    path.write_text(f"cifar10/test/0001.png 3\n{line}\n\n")
    with pytest.raises(UsageError, match=expected):
        open_protocol("cifar10", data)


def test_a_list_that_is_not_text_is_refused(data: Path) -> None:
    path = data / "benchmark_imglist" / "cifar10" / "test_tin.txt"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match=r"test_tin\.txt: cannot be read"):
        open_protocol("cifar10", data)


def test_what_a_protocol_cannot_do_without_is_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        open_protocol("cifar10", data / "nothing")
    with pytest.raises(InputTypeError, match="found ndarray; with a protocol it is the path of one folder"):
        open_protocol("cifar10", np.zeros((2, 2)))
    with pytest.raises(UsageError, match="the protocol has its own sets"):
        open_protocol("cifar10", data, {"more": "folder"})
    with pytest.raises(
        UsageError, match=r"in-distribution set ImageNet-200 not found; looked for .*imagenet200"
    ):
        open_protocol("imagenet200", data)
    garments, _, _ = protocol_folders.garment_sets()
    np.save(tmp_path / "cifar10.npy", garments)
    with pytest.raises(
        UsageError, match=r"out-of-distribution sets not found; looked for .*test_cifar100\.txt"
    ):
        open_protocol("cifar10", tmp_path)
