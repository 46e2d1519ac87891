"""The network of `resnet50.py` as a torch module with the same weights. Imported only where torch is."""

from __future__ import annotations

import numpy as np
import onnx
import resnet50
import torch
from onnx import numpy_helper
from torch import Tensor, nn


class _Conv(nn.Module):
    """A convolution and its bias, or a convolution and the BatchNormalization that adds the bias."""

    def __init__(self, before: int, after: int, kernel: int, stride: int = 1, *, folded: bool) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(before, after, kernel, stride, padding=kernel // 2, bias=folded)
        # Mean 0 and variance 1 leave everything else to the bias; the work is the same for any.
        self.normalization = nn.Identity() if folded else nn.BatchNorm2d(after, eps=0)

    def forward(self, x: Tensor) -> Tensor:
        return self.normalization(self.convolution(x))

    def take(self, weight: Tensor, bias: Tensor) -> None:
        self.convolution.weight.data = weight
        (self.convolution if self.convolution.bias is not None else self.normalization).bias.data = bias


def _relu() -> nn.ReLU:
    # As torchvision writes it; nothing reads what it overwrites.
    return nn.ReLU(inplace=True)


class _Block(nn.Module):
    """Bottleneck; its parts are named as the file names their weights."""

    def __init__(self, before: int, width: int, stride: int, *, first: bool, folded: bool) -> None:
        super().__init__()
        self.conv1, self.relu1 = _Conv(before, width, 1, folded=folded), _relu()
        self.conv2, self.relu2 = _Conv(width, width, 3, stride, folded=folded), _relu()
        self.conv3, self.relu3 = _Conv(width, 4 * width, 1, folded=folded), _relu()
        self.shortcut = _Conv(before, 4 * width, 1, stride, folded=folded) if first else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu1(self.conv1(x))
        y = self.conv3(self.relu2(self.conv2(y)))
        y += self.shortcut(x)
        return self.relu3(y)


class ResNet50(nn.Module):
    """ResNet-50, its ReLUs in the order of the file's.

    BatchNormalization is folded into the convolutions, as in the file, or a layer of its own, as in a network that
    comes out of training.
    """

    def __init__(self, *, folded: bool) -> None:
        super().__init__()
        self.stem, self.relu0 = _Conv(3, 64, 7, 2, folded=folded), _relu()
        self.pool = nn.MaxPool2d(3, 2, 1)
        before = 64
        for stage, (blocks, width) in enumerate(resnet50.STAGES, 1):
            layer = nn.Sequential()
            for block in range(blocks):
                stride = 2 if block == 0 and stage > 1 else 1
                layer.append(_Block(before, width, stride, first=block == 0, folded=folded))
                before = 4 * width
            self.add_module(f"layer{stage}", layer)
        self.head = nn.Linear(before, 1000)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the logits of pictures, [N, 3, 224, 224]."""
        x = self.pool(self.relu0(self.stem(x)))
        for stage in range(1, len(resnet50.STAGES) + 1):
            x = self.get_submodule(f"layer{stage}")(x)
        return self.head(x.mean((2, 3)))


def load(model: onnx.ModelProto, *, folded: bool) -> ResNet50:
    """Build the torch module of a model that `resnet50.py` made.

    Args:
        model: The model; every initializer of it is taken, and nothing else.
        folded: False for BatchNormalization as layers of its own, which change no value.

    Returns:
        The module, for inference.
    """
    weights = {
        stored.name: torch.from_numpy(np.array(numpy_helper.to_array(stored)))
        for stored in model.graph.initializer
    }
    net = ResNet50(folded=folded)
    for name, module in net.named_modules():
        if isinstance(module, _Conv):
            module.take(weights.pop(f"{name}.weight"), weights.pop(f"{name}.bias"))
    net.head.weight.data, net.head.bias.data = weights.pop("head.weight"), weights.pop("head.bias")
    assert not weights
    return net.eval()
