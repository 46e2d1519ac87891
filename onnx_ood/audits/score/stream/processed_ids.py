"""Which inputs a stream has already: told by their ids, whatever the order in which they come again."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

# 96 bits of a hash, as 16 printable bytes: numpy cuts zeros off the end of a byte string. Two of a million million ids
# would share one by a chance of about 1e-5.
_BITS = 96


class ProcessedIds:
    """Ids that were dealt with, each as often as it was; 17 bytes an id, however long it is."""

    def __init__(self, ids: Iterable[str] = ()) -> None:
        """Takes the ids, which need not fit into memory."""
        digests = bytearray()
        for name in ids:
            digests += _digest(name)
        self._digests: NDArray[np.bytes_] = np.frombuffer(digests, dtype="S16")
        self._digests.sort()
        self._taken = np.zeros(len(self._digests), dtype=np.bool_)

    def __len__(self) -> int:
        return len(self._digests)

    @property
    def left(self) -> int:
        """How many were not taken."""
        return int(len(self._taken) - self._taken.sum())

    def take(self, name: str) -> bool:
        """True if the id was dealt with and has not been taken as often as that; then it is taken once more."""
        if not len(self._digests):
            return False
        digest = _digest(name)
        at = int(self._digests.searchsorted(digest))
        while at < len(self._digests) and self._digests[at] == digest:
            if not self._taken[at]:
                self._taken[at] = True
                return True
            at += 1
        return False


def _digest(name: str) -> bytes:
    return b64encode(blake2b(name.encode("utf-8", "surrogatepass"), digest_size=_BITS // 8).digest())
