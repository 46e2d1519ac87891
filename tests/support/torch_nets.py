"""Small networks of the kinds that people export from torch, with inputs. Imported only where torch is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn


class Residual(nn.Module):
    """Convolutions with batch normalisation around a residual connection."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.first = nn.ReLU()
        self.inner = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.inner_norm = nn.BatchNorm2d(8)
        self.second = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(8, 5)

    def forward(self, image: Tensor) -> Tensor:
        before = self.first(self.norm(self.stem(image)))
        after = self.second(self.inner_norm(self.inner(before)) + before)
        return self.head(self.pool(after).flatten(1))


class Recurrent(nn.Module):
    """An LSTM, a GRU behind it, and a state that is fed and handed out."""

    def __init__(self) -> None:
        super().__init__()
        self.squash = nn.Tanh()
        self.lstm = nn.LSTM(6, 10, batch_first=True)
        self.gru = nn.GRU(10, 7, batch_first=True, bidirectional=True)
        self.head = nn.Linear(14, 4)

    def forward(self, sound: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        middle, (hidden, _) = self.lstm(self.squash(sound), (state, torch.zeros_like(state)))
        return self.head(self.gru(middle)[0]), hidden


class Encoder(nn.Module):
    """A transformer's layer on token ids, with a mask for padding."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(50, 16)
        self.query = nn.Linear(16, 48)
        self.merge = nn.Linear(16, 16)
        self.norm = nn.LayerNorm(16)
        self.wide = nn.Linear(16, 32)
        self.active = nn.GELU()
        self.narrow = nn.Linear(32, 16)
        self.last = nn.LayerNorm(16)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        x = self.words(tokens)
        parts = self.query(x).unflatten(-1, (3, 2, 8)).permute(2, 0, 3, 1, 4)
        query, key, value = parts[0], parts[1], parts[2]
        scores = query @ key.transpose(-1, -2) / 8**0.5
        scores = scores.masked_fill(~mask[:, None, None, :], -1e4)
        mixed = (scores.softmax(-1) @ value).transpose(1, 2).flatten(2)
        x = self.norm(x + self.merge(mixed))
        return self.last(x + self.narrow(self.active(self.wide(x))))


class Scripted(nn.Module):
    """Control flow that depends on the data, as TorchScript compiles it: an If in a Loop."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Linear(6, 6)
        self.again = nn.Linear(6, 6)

    def forward(self, x: Tensor, steps: Tensor) -> Tensor:
        x = torch.tanh(self.enter(x))
        for _ in range(int(steps)):
            x = torch.tanh(self.again(x)) - 0.5 if bool(x.sum() > 0) else torch.sigmoid(self.again(x))
        return x


class Conditional(nn.Module):
    """Control flow that depends on the data, as torch.export keeps it: torch.cond."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Linear(6, 6)
        self.squash = nn.Tanh()
        self.high = nn.Linear(6, 6)
        self.low = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squash(self.enter(x))
        return torch.cond(
            x.sum() > 0, lambda v: torch.relu(self.high(v)), lambda v: torch.sigmoid(self.low(v)), (x,)
        )


@dataclass(frozen=True)
class Net:
    """A network to be exported.

    Attributes:
        kind: What it is.
        make: Makes it.
        feeds: Inputs by name, in the order of `forward`.
        axes: The axes of inputs and outputs that may have any size, by name.
        outputs: Names of the outputs.
        site: The input that is nudged; None for the first tensor of floats inside.
        inside: Layers inside control flow, of which a run has several values or none.
    """

    kind: str
    make: Callable[[], nn.Module]
    feeds: dict[str, np.ndarray]
    axes: dict[str, dict[int, str]]
    outputs: tuple[str, ...]
    site: str | None
    inside: tuple[str, ...] = ()


def nets() -> Iterator[Net]:
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    batch = {0: "batch"}
    yield Net("residual", Residual, {"image": normal(3, 3, 12, 12)}, {"image": batch}, ("logits",), "image")
    recurrent = {"sound": normal(3, 9, 6), "state": normal(1, 3, 10)}
    axes = {"sound": {0: "batch", 1: "time"}, "state": {1: "batch"}}
    yield Net("recurrent", Recurrent, recurrent, axes, ("scores", "hidden"), "sound")
    tokens = rng.integers(0, 50, (3, 8))
    mask = np.arange(8) < np.array([[8], [5], [3]])
    both = {0: "batch", 1: "length"}
    yield Net(
        "encoder", Encoder, {"tokens": tokens, "mask": mask}, {"tokens": both, "mask": both}, ("out",), None
    )
    loop = {"x": normal(3, 6), "steps": np.array(4)}
    yield Net("scripted", Scripted, loop, {"x": batch}, ("y",), "x", ("again",))
    plain = {"x": normal(3, 6)}
    yield Net("conditional", Conditional, plain, {"x": batch}, ("y",), "x", ("high", "low"))


def made(net: Net) -> nn.Module:
    """The network with seeded weights, and statistics as training leaves them."""
    torch.manual_seed(0)
    module = net.make()
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.running_mean, std=0.2)
            nn.init.uniform_(layer.running_var, 0.5, 2)
            nn.init.normal_(layer.weight, 1, 0.2)
    return module.eval()


def export(net: Net, exporter: str, path: Path) -> nn.Module:
    """Writes a network to a file; gives the network."""
    module = made(net)
    arguments = tuple(torch.from_numpy(value) for value in net.feeds.values())
    names = {"input_names": list(net.feeds), "output_names": list(net.outputs)}
    if exporter == "dynamo":
        # Without sizes that stand for all of one name, the exporter would tie axes that happen to be alike.
        sizes = {name: torch.export.Dim(name) for axes in net.axes.values() for name in axes.values()}
        shapes = {name: {i: sizes[axis] for i, axis in axes.items()} for name, axes in net.axes.items()}
        torch.onnx.export(module, arguments, path, dynamo=True, dynamic_shapes=shapes, verbose=False, **names)
    else:
        source = torch.jit.script(module) if net.kind == "scripted" else module
        torch.onnx.export(source, arguments, path, dynamo=False, dynamic_axes=net.axes, **names)
    return module


def what_layers_give(net: Net, module: nn.Module) -> dict[str, np.ndarray]:
    """What each layer outside control flow hands out (the first value of several), by its name in the module."""
    given: dict[str, np.ndarray] = {}

    def note(name: str) -> Callable[..., None]:
        def hook(layer: nn.Module, inputs: object, output: Tensor | tuple[Tensor, ...]) -> None:
            value = output[0] if isinstance(output, tuple) else output
            given[name] = value.detach().numpy()

        return hook

    layers = {name: layer for name, layer in module.named_children() if name not in net.inside}
    handles = [layer.register_forward_hook(note(name)) for name, layer in layers.items()]
    with torch.no_grad():
        module(*(torch.from_numpy(value) for value in net.feeds.values()))
    for handle in handles:
        handle.remove()
    return given
