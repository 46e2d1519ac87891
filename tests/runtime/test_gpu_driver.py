"""What the driver tells, by a driver that tells what the test wants."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest

from onnx_ood.runtime import gpu_driver as driver


class Driver:
    """Answers like libcuda; every call is noted, and `fails` names the one that returns an error."""

    def __init__(self, free: int = 0, gpus: int = 1, fails: str = "") -> None:
        self.free, self.gpus, self.fails = free, gpus, fails
        self.calls: list[str] = []
        self.pushed = 0
        self.retained = 0

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> int:
            self.calls.append(name)
            if name == self.fails:
                return 1
            if name == "cuDeviceGetCount":
                arguments[0]._obj.value = self.gpus
            if name == "cuMemGetInfo_v2":
                # Without a context of its own on top, the call is an error, as the driver has it.
                if not self.pushed:
                    return 201
                arguments[0]._obj.value, arguments[1]._obj.value = self.free, 2 * self.free
            self.pushed += (name == "cuCtxPushCurrent_v2") - (name == "cuCtxPopCurrent_v2")
            self.retained += (name == "cuDevicePrimaryCtxRetain") - (name == "cuDevicePrimaryCtxRelease_v2")
            return 0

        return call


def test_free_memory_is_the_driver_s(monkeypatch: pytest.MonkeyPatch) -> None:
    # More than 32 bits hold.
    fake = Driver(free=140_000_000_000)
    monkeypatch.setattr(driver, "_driver", lambda: fake)
    assert driver.free_memory() == 140_000_000_000
    assert (fake.pushed, fake.retained) == (0, 0)


@pytest.mark.parametrize(
    "fails", ["cuInit", "cuDeviceGet", "cuDevicePrimaryCtxRetain", "cuCtxPushCurrent_v2", "cuMemGetInfo_v2"]
)
def test_what_fails_tells_nothing_and_leaves_nothing(fails: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Driver(free=1000, fails=fails)
    monkeypatch.setattr(driver, "_driver", lambda: fake)
    assert driver.free_memory() is None
    assert (fake.pushed, fake.retained) == (0, 0)


@pytest.mark.parametrize(
    ("fake", "count"),
    [(None, None), (Driver(gpus=2), 2), (Driver(fails="cuInit"), 0), (Driver(fails="cuDeviceGetCount"), 0)],
)
def test_gpus_are_counted(fake: Driver | None, count: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "_driver", lambda: fake)
    assert driver.gpu_count() == count


def test_without_a_driver_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert driver.free_memory() is None
    assert driver.gpu_count() is None


@pytest.mark.gpu
def test_free_memory_of_a_gpu_shrinks_by_what_is_allocated() -> None:
    from onnxruntime import OrtValue

    size = 2**29
    before = driver.free_memory()
    kept = OrtValue.ortvalue_from_shape_and_type([size // 4], "float32", "cuda", 0)
    after = driver.free_memory()
    assert kept.device_name() == "cuda"
    assert before is not None
    assert after is not None
    # Others may use the GPU; and an allocator may take more than it was asked for.
    assert before - after >= size / 2
