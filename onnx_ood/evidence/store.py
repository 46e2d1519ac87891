"""Storage of arrays in a folder, under keys that state all they depend on."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_ood.exceptions import OutputError

SUFFIX = ".measured"
"""End of the names of stored files."""

_DIGEST = sha256().digest_size


class Store:
    """Folder of stored arrays.

    A file begins with the SHA-256 of its key and content. Damaged, truncated or misplaced files are ignored.

    Attributes:
        problem: Reason why arrays could not be stored, or empty. It ends no run.
    """

    def __init__(self, folder: Path) -> None:
        """Create the folder if it is missing.

        Args:
            folder: Folder of the arrays; several runs may share it.

        Raises:
            OutputError: If the folder cannot be created.
        """
        self.problem = ""
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"{folder}: cannot be created: {error.strerror}; choose another folder for the cache"
            ) from None

    def find(self, key: str) -> dict[str, NDArray[Any]] | None:
        """Look up arrays.

        Args:
            key: Key they were stored under.

        Returns:
            Arrays by name, identical bit by bit; None if there are none or the file is damaged.
        """
        path = self._path(key)
        try:
            content = path.read_bytes()
        except OSError:
            return None
        with suppress(OSError):
            os.utime(path)  # Files used longest ago are removed first.
        digest, arrays = content[:_DIGEST], content[_DIGEST:]
        if digest != _digest(key, arrays):
            return None
        with np.load(BytesIO(arrays), allow_pickle=False) as found:
            return {name: found[name] for name in found.files}

    def keep(self, key: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Store arrays.

        Args:
            key: All that they depend on, as one text.
            arrays: Arrays by name.
        """
        packed = BytesIO()
        np.savez(packed, **arrays)  # type: ignore[arg-type]  # names of fields, none of which is an option of savez
        content = packed.getvalue()
        path = self._path(key)
        new: Path | None = None
        try:
            path.parent.mkdir(exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=".", dir=path.parent)
            new = Path(name)
            with os.fdopen(handle, "wb") as file:
                file.write(_digest(key, content) + content)
            # Atomic: concurrent readers see no file or the complete one.
            new.replace(path)
        except OSError as error:
            self.problem = f"{path}: cannot be written: {error.strerror}"
            if new is not None:
                new.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        name = sha256(key.encode()).hexdigest()
        return self._folder / name[:2] / f"{name[2:]}{SUFFIX}"


def _digest(key: str, content: bytes) -> bytes:
    whole = sha256(sha256(key.encode()).digest())
    whole.update(content)
    return whole.digest()
