"""Compiled channel statistics of activations whose channels are neighbours in memory.

The loop is written in LLVM's language of vectors, one lane for each channel: what numba makes of the same loop is
several times slower, since it keeps the sums of all lanes in memory.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from importlib import import_module
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_ood.runtime.kernels.channel_sums import ChannelSums
from onnx_ood.runtime.kernels.compiler import LLVM

# For each block: the first position is the origin of float64 sums; the smallest and the largest value are found among
# the bits as integers, in which floats that are not negative are in order and negative floats in reverse order.
_LOOP = """
define void @lane_sums(ptr noalias %values, i64 %blocks, i64 %places, i64 %block_step, i64 %place_step,
                       ptr noalias %means, ptr noalias %variances, ptr noalias %largests, ptr noalias %actives) {{
entry:
  %count = sitofp i64 %places to double
  %count_0 = insertelement {double} poison, double %count, i32 0
  %counts = shufflevector {double} %count_0, {double} poison, {int} zeroinitializer
  br label %block
block:
  %b = phi i64 [0, %entry], [%next_b, %end]
  %offset = mul i64 %b, %block_step
  %start = getelementptr float, ptr %values, i64 %offset
  %first = load {float}, ptr %start, align 4
  %origin = fpext {float} %first to {double}
  %first_bits = bitcast {float} %first to {int}
  br label %place
place:
  %s = phi i64 [0, %block], [%next_s, %place]
  %total = phi {double} [zeroinitializer, %block], [%next_total, %place]
  %squares = phi {double} [zeroinitializer, %block], [%next_squares, %place]
  %on = phi {int} [zeroinitializer, %block], [%next_on, %place]
  %high = phi {int} [%first_bits, %block], [%next_high, %place]
  %low = phi {int} [%first_bits, %block], [%next_low, %place]
  %shift = mul i64 %s, %place_step
  %at = getelementptr float, ptr %start, i64 %shift
  %value = load {float}, ptr %at, align 4
  %wide = fpext {float} %value to {double}
  %d = fsub {double} %wide, %origin
  %next_total = fadd {double} %total, %d
  %d2 = fmul contract {double} %d, %d
  %next_squares = fadd contract {double} %squares, %d2
  %is_on = fcmp ogt {float} %value, zeroinitializer
  %minus_on = sext {bool} %is_on to {int}
  %next_on = sub {int} %on, %minus_on
  %bits = bitcast {float} %value to {int}
  %higher = icmp sgt {int} %bits, %high
  %next_high = select {bool} %higher, {int} %bits, {int} %high
  %lower = icmp slt {int} %bits, %low
  %next_low = select {bool} %lower, {int} %bits, {int} %low
  %next_s = add i64 %s, 1
  %more = icmp slt i64 %next_s, %places
  br i1 %more, label %place, label %end
end:
  %mean_d = fdiv {double} %next_total, %counts
  %mean = fadd {double} %origin, %mean_d
  %mean_d2 = fdiv {double} %next_squares, %counts
  %square = fmul {double} %mean_d, %mean_d
  %difference = fsub {double} %mean_d2, %square
  %negative = fcmp olt {double} %difference, zeroinitializer
  %variance = select {bool} %negative, {double} zeroinitializer, {double} %difference
  %some = icmp sge {int} %next_high, zeroinitializer
  %largest = select {bool} %some, {int} %next_high, {int} %next_low
  %on_count = sitofp {int} %next_on to {double}
  %active = fdiv {double} %on_count, %counts
  %mean_at = getelementptr {double}, ptr %means, i64 %b
  store {double} %mean, ptr %mean_at, align 8
  %variance_at = getelementptr {double}, ptr %variances, i64 %b
  store {double} %variance, ptr %variance_at, align 8
  %largest_at = getelementptr {int}, ptr %largests, i64 %b
  store {int} %largest, ptr %largest_at, align 4
  %active_at = getelementptr {double}, ptr %actives, i64 %b
  store {double} %active, ptr %active_at, align 8
  %next_b = add i64 %b, 1
  %again = icmp slt i64 %next_b, %blocks
  br i1 %again, label %block, label %done
done:
  ret void
}}
"""


def lane_sums(activations: NDArray[np.float32]) -> ChannelSums:
    """Reduce the positions of each channel, as `channel_sums` does.

    Args:
        activations: float32 [R, B, S, W]: B blocks of W channels, at S positions. The channels of a block are
            contiguous, and the values of an input in one piece; blocks and positions may be apart in either order.

    Returns:
        The statistics, [R, B·W].
    """
    rows, blocks, places, width = activations.shape
    assert activations.dtype == np.float32
    assert activations.strides[3] == activations.itemsize or width == 1
    shape = (rows, blocks * width)
    mean, variance, active = np.empty(shape), np.empty(shape), np.empty(shape)
    largest = np.empty(shape, np.int32)
    run = _compiled(width)
    row_step, block_step, place_step, _ = activations.strides
    if row_step == blocks * block_step:
        rows, blocks = 1, rows * blocks
    steps = [row_step, *(blocks * width * each.itemsize for each in (mean, variance, largest, active))]
    starts = [each.ctypes.data for each in (activations, mean, variance, largest, active)]
    for row in range(rows):
        values, *found = (start + row * step for start, step in zip(starts, steps, strict=True))
        run(values, blocks, places, block_step // 4, place_step // 4, *found)
    top = largest.view(np.float32).astype(np.float64)
    # Bits of a NaN may be those of the smallest number.
    top[np.isnan(mean)] = np.nan
    return ChannelSums(mean, variance, top, active)


@cache
def _loop(width: int) -> Callable[..., None]:
    """Compile the loop for blocks of `width` channels: takes a hundredth of a second, so that it is not stored."""
    llvm: Any = import_module(LLVM)
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    types = {name: f"<{width} x {name}>" for name in ("double", "float")}
    module = llvm.parse_assembly(_LOOP.format(**types, int=f"<{width} x i32>", bool=f"<{width} x i1>"))
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=3
    )
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    run = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 9)(engine.get_function_address("lane_sums"))
    _engines.append(engine)
    return run


_engines: list[Any] = []
_lock = Lock()


def _compiled(width: int) -> Callable[..., None]:
    with _lock:
        return _loop(width)
