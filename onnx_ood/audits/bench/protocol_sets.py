"""Sets of a recognised protocol: the pictures that OpenOOD's lists name, or a folder per set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NamedTuple

from onnx_ood._dialect import named
from onnx_ood.evidence.sets import SetSources
from onnx_ood.exceptions import InputTypeError, UsageError
from onnx_ood.inputs import InputSource, open_inputs
from onnx_ood.inputs.files import name_of

LISTS = "benchmark_imglist"
_CLASSIC, _LARGE = "images_classic", "images_largescale"
_SUFFIXES = ("", ".npz", ".npy")

Group = Literal["near", "far"]
Status = Literal["complete", "partial", "folder", "missing"]


class NamedSet(NamedTuple):
    """A set of a protocol.

    Attributes:
        name: Its name in OpenOOD.
        title: Name of the data set.
        images: Folder of OpenOOD's data that the list's paths start from.
        size: Number of pictures in the benchmark's list; None if unknown.
    """

    name: str
    title: str
    images: str
    size: int | None = None


class Protocol(NamedTuple):
    """A protocol of OpenOOD v1.5 (`openood/evaluation_api/datasets.py`).

    Attributes:
        title: Its name for readers.
        classes: Number of classes of the in-distribution set.
        id: In-distribution set.
        near: Near out-of-distribution sets.
        far: Far out-of-distribution sets.
    """

    title: str
    classes: int
    id: NamedSet
    near: tuple[NamedSet, ...]
    far: tuple[NamedSet, ...]


PROTOCOLS: Mapping[str, Protocol] = {
    "cifar10": Protocol(
        "OpenOOD v1.5, CIFAR-10",
        10,
        NamedSet("cifar10", "CIFAR-10", _CLASSIC, 9_000),
        (
            NamedSet("cifar100", "CIFAR-100", _CLASSIC, 9_000),
            NamedSet("tin", "TinyImageNet", _CLASSIC, 7_793),
        ),
        (
            NamedSet("mnist", "MNIST", _CLASSIC, 70_000),
            NamedSet("svhn", "SVHN", _CLASSIC, 26_032),
            NamedSet("texture", "Textures", _CLASSIC, 5_640),
            NamedSet("places365", "Places365", _CLASSIC, 35_195),
        ),
    ),
    "imagenet200": Protocol(
        "OpenOOD v1.5, ImageNet-200",
        200,
        NamedSet("imagenet200", "ImageNet-200", _LARGE),
        (NamedSet("ssb_hard", "SSB-hard", _LARGE), NamedSet("ninco", "NINCO", _LARGE)),
        (
            NamedSet("inaturalist", "iNaturalist", _LARGE),
            NamedSet("textures", "Textures", _CLASSIC),
            NamedSet("openimage_o", "OpenImage-O", _LARGE),
        ),
    ),
}
"""Protocols by name."""


@dataclass(frozen=True)
class FoundSet:
    """Pictures of a set that were found.

    Attributes:
        named: The set.
        source: The pictures.
        listed: Pictures of the benchmark's list; None if unknown.
        labels: Listed class of each picture by its name in results; empty without a list.
        places: Where it was looked for.
    """

    named: NamedSet
    source: InputSource
    listed: int | None
    labels: Mapping[str, int]
    places: tuple[Path, ...]

    @property
    def status(self) -> Status:
        """Part of the benchmark's pictures that was found."""
        if not self.source.items:
            return "missing"
        if not self.labels:
            return "folder"
        return "complete" if len(self.source.items) == self.listed else "partial"


@dataclass(frozen=True)
class ProtocolSets:
    """Sets of a protocol in one folder.

    Attributes:
        name: Name of the protocol.
        id: In-distribution set.
        near: Near out-of-distribution sets.
        far: Far out-of-distribution sets.
        lists: Lists that were read.
    """

    name: str
    id: FoundSet
    near: tuple[FoundSet, ...]
    far: tuple[FoundSet, ...]
    lists: tuple[Path, ...]

    @property
    def protocol(self) -> Protocol:
        """The protocol."""
        return PROTOCOLS[self.name]

    @property
    def sources(self) -> SetSources:
        """The sets that were found."""
        found = [one for one in (*self.near, *self.far) if one.source.items]
        return SetSources(self.id.source, {one.named.name: one.source for one in found})


def open_protocol(name: str, folder: Any, ood: Any = None) -> ProtocolSets:
    """Find the sets of a protocol in a folder laid out as OpenOOD's data.

    Set S of protocol P is what `benchmark_imglist/P/test_S.txt` lists ("PATH LABEL" per line, paths below
    `images_classic` or `images_largescale`). Without that list it is the folder S, or the file S.npz or S.npy.

    Args:
        name: Name of the protocol.
        folder: The folder: a path, or a list of one.
        ood: Out-of-distribution sets of the caller; must be empty.

    Returns:
        All sets; those that were not found have no pictures.

    Raises:
        InputTypeError: If the folder is not a path.
        UsageError: If other sets are given, there is no such folder, a list cannot be read, or the in-distribution
            pictures or all out-of-distribution sets are missing.

    >>> [one.title for one in PROTOCOLS["imagenet200"].near]
    ['SSB-hard', 'NINCO']
    """
    if ood:
        raise UsageError(f"{named('ood')}: the protocol has its own sets; leave out one of the two")
    root = _root(folder)
    protocol = PROTOCOLS[name]
    near, far = (tuple(_find(root, name, one) for one in group) for group in (protocol.near, protocol.far))
    found = ProtocolSets(
        name,
        _find(root, name, protocol.id),
        near,
        far,
        tuple(
            path
            for one in (protocol.id, *protocol.near, *protocol.far)
            if (path := _list_of(root, name, one)).is_file()
        ),
    )
    for what, sets in (
        (f"in-distribution set {protocol.id.title}", [found.id]),
        ("out-of-distribution sets", [*near, *far]),
    ):
        if not any(one.source.items for one in sets):
            places = ", ".join(str(place) for one in sets[:2] for place in one.places)
            raise UsageError(f"{named('protocol', name)}: {what} not found; looked for {places}")
    return found


def _root(folder: Any) -> Path:
    if isinstance(folder, list | tuple) and len(folder) == 1:
        (folder,) = folder
    if not isinstance(folder, str | Path):
        raise InputTypeError(
            f"{named('id')}: found {type(folder).__name__}; with a protocol it is the path of one folder"
        )
    if not Path(folder).is_dir():
        raise UsageError(f"{named('id')}: no such folder: {folder}; name the data folder of the protocol")
    return Path(folder)


def _list_of(root: Path, protocol: str, one: NamedSet) -> Path:
    return root / LISTS / protocol / f"test_{one.name}.txt"


def _find(root: Path, protocol: str, one: NamedSet) -> FoundSet:
    listing, plain = _list_of(root, protocol, one), root / one.name
    places = (listing, plain)
    if listing.is_file():
        labels = _read_list(listing, root / one.images)
        kept = {path: label for path, label in labels.items() if path.is_file()}
        return FoundSet(
            one,
            InputSource(tuple(kept)),
            len(labels),
            {name_of(path): label for path, label in kept.items()},
            (listing, root / one.images),
        )
    for suffix in _SUFFIXES:
        path = plain.with_name(plain.name + suffix)
        if path.exists():
            return FoundSet(one, open_inputs([path], name=one.name), one.size, {}, places)
    return FoundSet(one, InputSource(), one.size, {}, places)


def _read_list(path: Path, folder: Path) -> dict[Path, int]:
    """Read a list of OpenOOD: one "PATH LABEL" per line, label -1 for out-of-distribution pictures.

    Raises:
        UsageError: If the file is not text or a line is another; names the line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from None
    labels: dict[Path, int] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        name, _, label = line.partition(" ")
        parts = PurePosixPath(name)
        if not name or parts.is_absolute() or ".." in parts.parts:
            raise UsageError(f"{path}, line {number}: found path {name!r}; paths are relative to {folder}")
        try:
            labels[folder / parts] = int(label)
        except ValueError:
            raise UsageError(f"{path}, line {number}: found {line!r}; expected PATH LABEL") from None
    return labels
