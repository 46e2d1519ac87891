"""Inputs already in a stream, by their ids, in any order."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

# 96 bits of a hash as 16 printable bytes, because numpy cuts zeros off the end of byte strings. Among 10^12 ids, the
# probability of a collision is about 1e-5.
_BITS = 96


class ProcessedIds:
    """Multiset of processed ids, in 17 bytes per id."""

    def __init__(self, ids: Iterable[str] = ()) -> None:
        """Store the ids, which need not fit into memory."""
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
        """Number of ids not taken."""
        return int(len(self._taken) - self._taken.sum())

    def take(self, name: str) -> bool:
        """Take one occurrence of an id; False if none is left."""
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
