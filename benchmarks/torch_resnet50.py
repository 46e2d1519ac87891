"""The network of `resnet50.py` as a torch module with the same weights. Imported only where torch is."""

from __future__ import annotations

import numpy as np
import onnx
import resnet50
import torch
from onnx import numpy_helper
from torch import Tensor, nn


def _conv(before: int, after: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(before, after, kernel, stride, padding=kernel // 2)


def _relu() -> nn.ReLU:
    # As torchvision writes it; nothing reads what it overwrites.
    return nn.ReLU(inplace=True)


class _Block(nn.Module):
    """Bottleneck; its parts are named as the file names their weights."""

    def __init__(self, before: int, width: int, stride: int, *, first: bool) -> None:
        super().__init__()
        self.conv1, self.relu1 = _conv(before, width, 1), _relu()
        self.conv2, self.relu2 = _conv(width, width, 3, stride), _relu()
        self.conv3, self.relu3 = _conv(width, 4 * width, 1), _relu()
        self.shortcut = _conv(before, 4 * width, 1, stride) if first else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu1(self.conv1(x))
        y = self.conv3(self.relu2(self.conv2(y)))
        y += self.shortcut(x)
        return self.relu3(y)


class ResNet50(nn.Module):
    """ResNet-50 with BatchNormalization folded into the convolutions, its ReLUs in the order of the file's."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.relu0 = _conv(3, 64, 7, 2), _relu()
        self.pool = nn.MaxPool2d(3, 2, 1)
        before = 64
        for stage, (blocks, width) in enumerate(resnet50.STAGES, 1):
            layer = nn.Sequential()
            for block in range(blocks):
                stride = 2 if block == 0 and stage > 1 else 1
                layer.append(_Block(before, width, stride, first=block == 0))
                before = 4 * width
            self.add_module(f"layer{stage}", layer)
        self.head = nn.Linear(before, 1000)

    def forward(self, x: Tensor) -> Tensor:
        """The logits of pictures, [N, 3, 224, 224]."""
        x = self.pool(self.relu0(self.stem(x)))
        for stage in range(1, len(resnet50.STAGES) + 1):
            x = self.get_submodule(f"layer{stage}")(x)
        return self.head(x.mean((2, 3)))


def load(model: onnx.ModelProto) -> ResNet50:
    """The torch module of a model that `resnet50.py` made.

    Args:
        model: The model; every initializer of it is taken, and nothing else.

    Returns:
        The module, for inference.
    """
    weights = {
        stored.name: torch.from_numpy(np.array(numpy_helper.to_array(stored)))
        for stored in model.graph.initializer
    }
    net = ResNet50()
    net.load_state_dict(weights, strict=True)
    return net.eval()
