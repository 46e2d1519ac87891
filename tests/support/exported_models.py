"""Networks with the operators that exporters write, in onnx's text form: speech from text, and a graph network."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, numpy_helper, parser

HEAD = '<ir_version: 8, opset_import: ["" : 18]>'

# As VITS is exported: durations are rounded up and give the length, each phoneme's statistics are spread over its
# frames by a product with a matrix of zeros and ones, and frames are drawn around them.
SYNTHESIZER = """
synthesizer (int64[batch, phonemes] input, int64[batch] input_lengths, float[3] scales)
    => (float[batch, 1, time] output)
<int64 zero = {0}, int64 one = {1}, int64[1] first = {0}, int64[1] second = {1}, int64 two = {2},
 int64[2] both = {1, 2}, int64[6] front = {0, 1, 0, 0, 0, 0}, int64[1] last = {-1}, float least = {1}>
{
    embedded = Gather (table, input)
    channels = Transpose <perm = [0, 2, 1]> (embedded)
    shape = Shape (input)
    count = Gather (shape, one)
    places = Range (zero, count, one)
    lengths = Unsqueeze (input_lengths, second)
    inside = Less (places, lengths)
    inside_float = Cast <to = 1> (inside)
    mask = Unsqueeze (inside_float, second)
    mixed = Conv <kernel_shape = [3], pads = [1, 1]> (channels, w_mix)
    active = Relu (mixed)
    hidden = Mul (active, mask)
    statistics = Conv <kernel_shape = [1]> (hidden, w_statistics)
    mean, log_scale = Split <axis = 1, num_outputs = 2> (statistics)
    log_duration = Conv <kernel_shape = [1]> (hidden, w_duration)
    duration = Exp (log_duration)
    slower = Gather (scales, one)
    scaled = Mul (duration, slower)
    rounded = Ceil (scaled)
    frames = Mul (rounded, mask)
    summed = ReduceSum <keepdims = 0> (frames, both)
    at_least = Clip (summed, least)
    sizes = Cast <to = 7> (at_least)
    longest = ReduceMax <keepdims = 0> (sizes)
    steps = Range (zero, longest, one)
    steps_float = Cast <to = 1> (steps)
    ends = CumSum (frames, two)
    ends_column = Transpose <perm = [0, 2, 1]> (ends)
    before = Less (steps_float, ends_column)
    before_float = Cast <to = 1> (before)
    padded = Pad (before_float, front)
    earlier = Slice (padded, first, last, second)
    path = Sub (before_float, earlier)
    mean_frames = MatMul (mean, path)
    log_frames = MatMul (log_scale, path)
    drawn = RandomNormalLike (mean_frames)
    deviation = Exp (log_frames)
    spread = Mul (drawn, deviation)
    noise_scale = Gather (scales, zero)
    noise = Mul (spread, noise_scale)
    latent = Add (mean_frames, noise)
    upsampled = ConvTranspose <kernel_shape = [4], strides = [4]> (latent, w_up)
    rectified = LeakyRelu <alpha = 0.1> (upsampled)
    wave = Conv <kernel_shape = [3], pads = [1, 1]> (rectified, w_wave)
    output = Tanh (wave)
}
"""

# As FastSpeech is scripted: a Loop over phonemes repeats each of them as often as its duration says.
REGULATOR = """
regulator (int64[phonemes] tokens) => (float[frames, 10] mel)
<int64 zero = {0}, bool yes = {1}, int64[1] width = {8}, float least = {1}, float stretch = {2.5}>
{
    encoded = Gather (table, tokens)
    hidden_sum = MatMul (encoded, w_encode)
    hidden = Relu (hidden_sum)
    log_duration = MatMul (hidden, w_duration)
    duration = Exp (log_duration)
    stretched = Mul (duration, stretch)
    rounded = Ceil (stretched)
    bounded = Clip (rounded, least)
    repeats = Cast <to = 7> (bounded)
    shape = Shape (tokens)
    count = Gather (shape, zero)
    nothing = SequenceEmpty <dtype = 1> ()
    pieces = Loop (count, yes, nothing) <body = repeat (int64 i, bool go, seq(float) done)
        => (bool on, seq(float) collected) {
        on = Identity (go)
        row = Gather (hidden, i)
        times = Gather (repeats, i)
        target = Concat <axis = 0> (times, width)
        piece = Expand (row, target)
        collected = SequenceInsert (done, piece)
    }>
    frames_hidden = ConcatFromSequence <axis = 0> (pieces)
    decoded = MatMul (frames_hidden, w_decode)
    activated = Relu (decoded)
    mel = MatMul (activated, w_mel)
}
"""

# As torch_geometric is exported: messages are gathered along edges and added up at their ends.
LAYER = """
    sent{i} = MatMul ({reads}, w{i})
    messages{i} = GatherND (sent{i}, sources)
    size{i} = Shape (sent{i})
    empty{i} = ConstantOfShape (size{i})
    spread_size{i} = Shape (messages{i})
    targets{i} = Expand (ends, spread_size{i})
    received{i} = ScatterElements <axis = 0, reduction = "add"> (empty{i}, targets{i}, messages{i})
    average{i} = Div (received{i}, degree)
    own{i} = MatMul ({reads}, r{i})
    joined{i} = Add (average{i}, own{i})
"""
GRAPH_NETWORK = """
graph_network (float[nodes, 6] x, int64[2, edges] edge_index) => (float[nodes, 3] logits)
<int64 zero = {0}, int64 one = {1}, int64[1] first = {0}, int64[1] second = {1}, float least = {1}>
{
    starts = Gather (edge_index, zero)
    sources = Unsqueeze (starts, second)
    stops = Gather (edge_index, one)
    ends = Unsqueeze (stops, second)
    shape = Shape (x)
    nodes_only = Gather (shape, zero)
    column = Unsqueeze (nodes_only, first)
    tail = Concat <axis = 0> (column, second)
    zeros = ConstantOfShape (tail)
    ends_shape = Shape (ends)
    ones = ConstantOfShape <value = float[1] {1}> (ends_shape)
    counted = ScatterElements <axis = 0, reduction = "add"> (zeros, ends, ones)
    degree = Max (counted, least)
"""


def _parsed(text: str, **weights: tuple[int, ...]) -> ModelProto:
    rng = np.random.default_rng(0)
    model = parser.parse_model(HEAD + text)
    for name, shape in weights.items():
        fan_in = int(np.prod(shape[1:])) if len(shape) == 3 else shape[0]
        values = rng.standard_normal(shape) / np.sqrt(fan_in)
        model.graph.initializer.append(numpy_helper.from_array(values.astype(np.float32), name))
    return model


def synthesizer() -> ModelProto:
    """Make a network from phonemes to a waveform, whose length is that of the longest of a batch."""
    return _parsed(
        SYNTHESIZER,
        table=(20, 8),
        w_mix=(8, 8, 3),
        w_statistics=(16, 8, 1),
        w_duration=(1, 8, 1),
        w_up=(8, 4, 4),
        w_wave=(1, 4, 3),
    )


def regulator() -> ModelProto:
    """Make a network from the phonemes of one sentence to a spectrogram, without a batch axis."""
    return _parsed(
        REGULATOR, table=(20, 8), w_encode=(8, 8), w_duration=(8, 1), w_decode=(8, 12), w_mel=(12, 10)
    )


def graph_network() -> ModelProto:
    """Make a network of two layers that classifies the nodes of a graph."""
    layers = LAYER.format(i=0, reads="x") + "h = Relu (joined0)\n" + LAYER.format(i=1, reads="h")
    text = GRAPH_NETWORK + layers + "logits = Identity (joined1)\n}"
    return _parsed(text, w0=(6, 8), r0=(6, 8), w1=(8, 3), r1=(8, 3))
