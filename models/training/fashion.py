"""Train and export the two Fashion-MNIST classifiers: `fashion_cnn` and `fashion_resnet`.

Two small models of one task that differ in what an auditor meets in the wild: one whose BatchNormalization
nodes survived the export, one with residual additions whose BatchNormalization was folded away.
Number of epochs and all settings are fixed beforehand; the test split is looked at once, at the end.
"""

import argparse
import gzip
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from cards import MODELS, Accuracy, Description, Preprocessing, write_card
from exporting import export, fold_batch_norm
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

CLASSES = (
    "T-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
EPOCHS = 10
BATCH = 128
PEAK_LEARNING_RATE = 4e-3
WEIGHT_DECAY = 1e-2
MAX_SHIFT = 2
SAMPLES_PER_CLASS = 20
SEED = 20260501

PREPROCESSING = Preprocessing("L", "NCHW", (28, 28), "stretch", None, "bilinear", (0.0,), (1.0,))
ORIGIN = (
    "Trained from scratch for this project on Fashion-MNIST (Han Xiao, Kashif Rasul, Roland Vollgraf; "
    "Zalando SE, 2017; MIT licence)."
)


def conv_bn(channels_in: int, channels_out: int, stride: int = 1) -> nn.Sequential:
    """Build a 3x3 convolution with its BatchNormalization; the ReLU is left to the caller."""
    layers = nn.Sequential()
    layers.add_module("conv", nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False))
    layers.add_module("bn", nn.BatchNorm2d(channels_out))
    return layers


class ConvBlock(nn.Module):
    """Convolution, BatchNormalization, ReLU."""

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1) -> None:
        super().__init__()
        self.body = conv_bn(channels_in, channels_out, stride)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Map `[batch, channels_in, H, W]` to `[batch, channels_out, H / stride, W / stride]`."""
        return self.relu(self.body(x))


class ResidualBlock(nn.Module):
    """Two convolutions around a shortcut, which is a strided 1x1 convolution where the shape changes."""

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1) -> None:
        super().__init__()
        self.first = conv_bn(channels_in, channels_out, stride)
        self.relu1 = nn.ReLU()
        self.second = conv_bn(channels_out, channels_out)
        self.shortcut = self._shortcut(channels_in, channels_out, stride)
        self.relu2 = nn.ReLU()

    @staticmethod
    def _shortcut(channels_in: int, channels_out: int, stride: int) -> nn.Module:
        if channels_in == channels_out and stride == 1:
            return nn.Identity()
        layers = nn.Sequential()
        layers.add_module("conv", nn.Conv2d(channels_in, channels_out, 1, stride, bias=False))
        layers.add_module("bn", nn.BatchNorm2d(channels_out))
        return layers

    def forward(self, x: Tensor) -> Tensor:
        """Map `[batch, channels_in, H, W]` to `[batch, channels_out, H / stride, W / stride]`."""
        return self.relu2(self.second(self.relu1(self.first(x))) + self.shortcut(x))


class Classifier(nn.Module):
    """Blocks, global average pooling, one linear layer."""

    def __init__(self, blocks: list[nn.Module], features: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*blocks)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.head = nn.Linear(features, len(CLASSES))

    def forward(self, image: Tensor) -> Tensor:
        """Map `[batch, 1, 28, 28]` in [0, 1] to logits `[batch, 10]`."""
        return self.head(self.flatten(self.pool(self.blocks(image))))


def build_cnn() -> Classifier:
    """Build the plain convolutional net: five blocks, 28 to 7 pixels."""
    shapes = [(1, 16, 1), (16, 32, 2), (32, 32, 1), (32, 64, 2), (64, 64, 1)]
    return Classifier([ConvBlock(*shape) for shape in shapes], 64)


def build_resnet() -> Classifier:
    """Build the residual net: a stem and four residual blocks, 28 to 7 pixels."""
    shapes = [(16, 16, 1), (16, 32, 2), (32, 32, 1), (32, 64, 2)]
    return Classifier([ConvBlock(1, 16), *(ResidualBlock(*shape) for shape in shapes)], 64)


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Read a gzipped IDX file of unsigned bytes: a magic number ending in the rank, the sizes, the bytes."""
    raw = gzip.decompress(path.read_bytes())
    rank = raw[3]
    sizes = np.frombuffer(raw, ">u4", count=rank, offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * rank).reshape(sizes.tolist())


def read_split(folder: Path, prefix: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Read the images `[N, 28, 28]` and labels `[N]` of one split (`train` or `t10k`)."""
    return (
        read_idx(folder / f"{prefix}-images-idx3-ubyte.gz"),
        read_idx(folder / f"{prefix}-labels-idx1-ubyte.gz"),
    )


def as_input(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Turn uint8 `[N, 28, 28]` into the models' input `[N, 1, 28, 28]` in [0, 1]."""
    return images[:, None].astype(np.float32) / np.float32(255)


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Shift each image by up to two pixels and mirror half of them: garments stay garments under both."""
    count, _, side, _ = images.shape
    padded = functional.pad(images, (MAX_SHIFT,) * 4)
    shifts = torch.randint(0, 2 * MAX_SHIFT + 1, (2, count, 1), generator=generator)
    mirrored = torch.rand(count, 1, generator=generator) < 0.5
    steps = torch.arange(side)
    columns = torch.where(mirrored, steps.flip(0), steps) + shifts[1]
    rows = steps + shifts[0]
    return padded[torch.arange(count)[:, None, None], 0, rows[:, :, None], columns[:, None, :]][:, None]


def batches(count: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Yield the indices of one epoch's batches in random order, the ragged last one left out."""
    order = torch.randperm(count, generator=generator)
    for start in range(0, count - BATCH + 1, BATCH):
        yield order[start : start + BATCH]


def train(model: nn.Module, images: Tensor, labels: Tensor) -> None:
    """Train in place with AdamW and a one-cycle learning rate."""
    generator = torch.Generator().manual_seed(SEED)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, PEAK_LEARNING_RATE, epochs=EPOCHS, steps_per_epoch=len(images) // BATCH
    )
    model.train()
    for epoch in range(EPOCHS):
        total = 0.0
        for chosen in batches(len(images), generator):
            loss = functional.cross_entropy(model(augment(images[chosen], generator)), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss.detach())
        print(f"epoch {epoch + 1}/{EPOCHS}: mean loss {total / (len(images) // BATCH):.4f}", flush=True)


def measure(path: Path, images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> float:
    """Measure top-1 accuracy with onnxruntime, the way the package will run the file."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    hits = 0
    for start in range(0, len(images), 500):
        part = slice(start, start + 500)
        (logits,) = session.run(["logits"], {"image": as_input(images[part])})
        hits += int((logits.argmax(axis=1) == labels[part]).sum())
    return hits / len(images)


def write_samples(images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> None:
    """Keep the first test images of each class, in the split's order, as the package's sample garments."""
    chosen = np.sort(
        np.concatenate([np.flatnonzero(labels == index)[:SAMPLES_PER_CLASS] for index in range(len(CLASSES))])
    )
    np.savez_compressed(MODELS / "fashion_samples.npz", images=images[chosen], labels=labels[chosen])


def make(name: str, summary: str, data: Path, *, keep_batch_norm: bool) -> None:
    """Train, export, measure and describe one model."""
    torch.manual_seed(SEED)
    model = build_cnn() if keep_batch_norm else build_resnet()
    images, labels = read_split(data, "train")
    train(model, torch.from_numpy(as_input(images)), torch.from_numpy(labels.astype(np.int64)))
    path = MODELS / f"{name}.onnx"
    if not keep_batch_norm:
        fold_batch_norm(model.eval())
    export(model, path, (1, 28, 28))
    accuracy = measure(path, *read_split(data, "t10k"))
    print(f"{name}: {accuracy:.4f} on the test split, {path.stat().st_size:,} bytes")
    description = Description(
        name,
        summary,
        ORIGIN,
        "Apache-2.0",
        "models/training/fashion.py",
        "fashion_classes.txt",
        PREPROCESSING,
    )
    how = (
        "Top-1, measured on the exported file with onnxruntime; no setting was chosen by looking at this set."
    )
    write_card(path, description, Accuracy(accuracy, "Fashion-MNIST test split (10,000 images)", how))


def main() -> None:
    """Make both models, the class list and the sample garments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data",
        type=Path,
        default=Path("/usr/share/datasets/fashion-mnist"),
        help="folder of the four .gz files",
    )
    data = parser.parse_args().data
    torch.set_num_threads(2)
    torch.use_deterministic_algorithms(mode=True)
    (MODELS / "fashion_classes.txt").write_text("\n".join(CLASSES) + "\n", "utf-8")
    write_samples(*read_split(data, "t10k"))
    make(
        "fashion_cnn",
        "Five convolutions, BatchNormalization kept in the graph; garments on 28 x 28 pixels, ten classes.",
        data,
        keep_batch_norm=True,
    )
    make(
        "fashion_resnet",
        "Four residual blocks, BatchNormalization folded away; garments on 28 x 28 pixels, ten classes.",
        data,
        keep_batch_norm=False,
    )


if __name__ == "__main__":
    main()
