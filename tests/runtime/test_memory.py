"""Freed memory goes back to the system."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import pytest

from onnx_ood.runtime.memory import trim_heap


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1])


@pytest.mark.skipif(
    sys.platform != "linux" or platform.libc_ver()[0] != "glibc", reason="only glibc keeps freed memory"
)
def test_of_the_heap() -> None:
    # Blocks below the threshold of mmap, the last of which keeps the heap from shrinking by itself.
    blocks = [bytearray(60_000) for _ in range(2000)]
    last = bytearray(60_000)
    before = resident()
    del blocks
    trim_heap()
    # Most of 120 MB, in pages of 4 KiB or more.
    assert (before - resident()) * 4096 > 60e6
    assert len(last) == 60_000
