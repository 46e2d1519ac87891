"""Queries to NVIDIA's driver, without any library but its own."""

from __future__ import annotations

import ctypes
import sys
from typing import Any


def gpu_count() -> int | None:
    """Count the NVIDIA GPUs that the driver shows; None without a driver."""
    driver = _driver()
    if driver is None:
        return None
    count = ctypes.c_int(0)
    # Both calls return 0 for success; a driver without a device fails at cuInit already.
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return 0
    return count.value


def free_memory(device: int = 0) -> int | None:
    """Free memory of a GPU in bytes, or None if unknown.

    Queried in the device's primary context, which the runtime uses too.

    Args:
        device: Index of the GPU.
    """
    driver = _driver()
    handle, context = ctypes.c_int(0), ctypes.c_void_p()
    if driver is None or driver.cuInit(0) or driver.cuDeviceGet(ctypes.byref(handle), device):
        return None
    if driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), handle):
        return None
    try:
        if driver.cuCtxPushCurrent_v2(context):
            return None
        free, total = ctypes.c_size_t(0), ctypes.c_size_t(0)
        failed = driver.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total))
        driver.cuCtxPopCurrent_v2(ctypes.byref(context))
        return None if failed else free.value
    finally:
        driver.cuDevicePrimaryCtxRelease_v2(handle)


def _driver() -> Any:
    """Load the driver's library; None if there is none."""
    try:
        return ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return None
