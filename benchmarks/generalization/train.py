"""Train the networks of the generalization study: many small classifiers that all fit their pictures.

study.py runs this, with models/training on the path.

Every network learns the same 1,000 pictures of Fashion-MNIST until it gets all of them right, so that networks differ
in how they generalize and not in how well they fit. Settings are drawn from the network's number: half are fully
connected and half convolutional; five of eight learn true labels, the others labels of which 25, 50 or 100% are drawn
at random. About half of those with true labels see pictures shifted and mirrored in their first 25 epochs. What doesn't
fit its pictures within 100 epochs is listed and left out.

Written into the folder: one ONNX file a network, a copy with its initial weights of some, `pictures.npz` for
the study to measure at, and `networks.json`. A network that `networks.json` holds isn't trained again.
"""

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import fashion
import numpy as np
import onnxruntime
import torch
from exporting import export
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

SEED = 1802
TRAINING_PICTURES = 1_000
SAVED_PICTURES = 500
# Networks with true labels up to this number are kept with their initial weights, too.
UNTRAINED = 24
# For so many epochs the learning rate stays as it is, and pictures are augmented. Then the rate falls to zero in a
# line, on the pictures as they are: only so do all augmented networks get their last pictures right.
FIRST_EPOCHS = 25
MAX_EPOCHS = 100
MOMENTUM = 0.9
# Of the pixels of Fashion-MNIST, in [0, 1]; networks learn faster on centred inputs.
MEAN, STD = 0.286, 0.353
# By number, in pairs of one fully connected and one convolutional network: the share of random labels.
RANDOM_SHARES = (0.0, 0.25, 0.0, 0.5, 0.0, 1.0, 0.0, 0.0)


@dataclass(frozen=True)
class Settings:
    """Everything that tells one network from another.

    Attributes:
        kind: `fc` or `conv`.
        width: Units of a fully connected layer, or channels of the first convolution.
        depth: Number of hidden layers.
        optimizer: `sgd`, with momentum, or `adamw`.
        learning_rate: Its learning rate in the first epochs.
        batch: Pictures a step.
        weight_decay: Its weight decay.
        augmented: Whether pictures are shifted and mirrored in the first epochs.
        random_labels: Share of the labels that are drawn at random, before training, once.
        seed: Seed of the weights, the order of pictures, augmentation and random labels.
    """

    kind: str
    width: int
    depth: int
    optimizer: str
    learning_rate: float
    batch: int
    weight_decay: float
    augmented: bool
    random_labels: float
    seed: int


def draw_settings(number: int) -> Settings:
    """Draw the settings of one network; they depend on its number alone."""
    generator = np.random.default_rng([SEED, number])
    kind = ("fc", "conv")[number % 2]
    share = RANDOM_SHARES[number // 2 % len(RANDOM_SHARES)]
    optimizer = str(generator.choice(["sgd", "adamw"]))
    low, high = {"sgd": (0.003, 0.03), "adamw": (1e-3, 5e-3)}[optimizer]
    return Settings(
        kind=kind,
        width=int(generator.choice({"fc": [64, 128, 256], "conv": [8, 12, 16]}[kind])),
        depth=int(generator.choice({"fc": [1, 2, 3, 4], "conv": [2, 3, 4]}[kind])),
        optimizer=optimizer,
        learning_rate=float(low * (high / low) ** generator.random()),
        batch=int(generator.choice([16, 32, 64])),
        weight_decay=float(generator.choice({"sgd": [0, 1e-4, 3e-4], "adamw": [0, 1e-2, 1e-1]}[optimizer])),
        # Random labels with augmentation would be another, much longer study.
        augmented=bool(generator.random() < 0.5) and share == 0,
        random_labels=share,
        seed=int(generator.integers(2**31)),
    )


def as_input(images: Tensor) -> Tensor:
    """Centre and scale pictures in [0, 1]."""
    return (images - MEAN) / STD


def build(settings: Settings) -> nn.Sequential:
    """Build a network with ReLU after each hidden layer: picture `[batch, 1, 28, 28]` to logits `[batch, 10]`.

    Weights are drawn as K. He et al. do ("Delving Deep into Rectifiers", ICCV 2015), biases are zero. The first two
    convolutions halve height and width, the others keep them. From the second on, there are twice as
    many channels as in the first.
    """
    layers: list[nn.Module] = []
    if settings.kind == "fc":
        layers.append(nn.Flatten())
        features = 28 * 28
        for _ in range(settings.depth):
            layers += [nn.Linear(features, settings.width), nn.ReLU()]
            features = settings.width
    else:
        channels = 1
        for index in range(settings.depth):
            wider = settings.width * (1 if index == 0 else 2)
            layers += [nn.Conv2d(channels, wider, 3, stride=2 if index < 2 else 1, padding=1), nn.ReLU()]
            channels = wider
        layers.append(nn.Flatten())
        features = channels * 7 * 7
    network = nn.Sequential(*layers, nn.Linear(features, len(fashion.CLASSES)))
    for layer in network:
        if isinstance(layer, nn.Linear | nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
    return network


def units(network: nn.Sequential) -> int:
    """Count the ReLU units of a network."""
    values = torch.zeros(1, 1, 28, 28)
    count = 0
    with torch.no_grad():
        for layer in network:
            values = layer(values)
            count += values.numel() if isinstance(layer, nn.ReLU) else 0
    return count


def labels_of(labels: Tensor, settings: Settings) -> Tensor:
    """Draw a share of the labels anew, from all classes."""
    generator = torch.Generator().manual_seed(settings.seed)
    chosen = torch.randperm(len(labels), generator=generator)[: round(settings.random_labels * len(labels))]
    noisy = labels.clone()
    noisy[chosen] = torch.randint(len(fashion.CLASSES), (len(chosen),), generator=generator)
    return noisy


def accuracy_and_loss(logits: Tensor, labels: Tensor) -> tuple[float, float]:
    """Share of right answers and mean cross-entropy."""
    right = (logits.argmax(dim=1) == labels).double().mean()
    return float(right), float(functional.cross_entropy(logits.double(), labels))


def train(network: nn.Module, images: Tensor, labels: Tensor, settings: Settings) -> int:
    """Train in place until all pictures are right.

    Args:
        network: What to train.
        images: Pictures in [0, 1], [N, 1, 28, 28].
        labels: Their labels, [N].
        settings: How to train.

    Returns:
        The number of epochs; `MAX_EPOCHS` may mean that some pictures are still wrong.
    """
    generator = torch.Generator().manual_seed(settings.seed)
    rate, decay = settings.learning_rate, settings.weight_decay
    optimizer: torch.optim.Optimizer = (
        torch.optim.SGD(network.parameters(), rate, MOMENTUM, weight_decay=decay)
        if settings.optimizer == "sgd"
        else torch.optim.AdamW(network.parameters(), rate, weight_decay=decay)
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda epoch: min(1.0, (MAX_EPOCHS - epoch) / (MAX_EPOCHS - FIRST_EPOCHS))
    )
    for epoch in range(1, MAX_EPOCHS + 1):
        for chosen in torch.randperm(len(images), generator=generator).split(settings.batch):
            batch = images[chosen]
            if settings.augmented and epoch <= FIRST_EPOCHS:
                batch = fashion.augment(batch, generator)
            loss = functional.cross_entropy(network(as_input(batch)), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
        with torch.no_grad():
            if bool((network(as_input(images)).argmax(dim=1) == labels).all()):
                return epoch
    return MAX_EPOCHS


def logits_of(path: Path, images: Tensor) -> Tensor:
    """Run a file in onnxruntime, the way the study will."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    parts = [as_input(part).numpy() for part in images.split(500)]
    return torch.from_numpy(np.concatenate([session.run(["logits"], {"image": part})[0] for part in parts]))


class Pictures:
    """The pictures of all networks: 1,000 of the training split, in random order, and the test split.

    Attributes:
        train: Training pictures in [0, 1], [1000, 1, 28, 28].
        train_labels: Their labels, [1000].
        test: Test pictures in [0, 1], [10000, 1, 28, 28].
        test_labels: Their labels, [10000].
    """

    def __init__(self, folder: Path) -> None:
        images, labels = fashion.read_split(folder, "train")
        chosen = np.random.default_rng(SEED).permutation(len(images))[:TRAINING_PICTURES]
        self.train, self.train_labels = self._tensors(images[chosen], labels[chosen])
        self.test, self.test_labels = self._tensors(*fashion.read_split(folder, "t10k"))

    @staticmethod
    def _tensors(images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
        return torch.from_numpy(fashion.as_input(images)), torch.from_numpy(labels.astype(np.int64))

    def save(self, path: Path) -> None:
        """Write the first pictures of each split, as networks take them; neither split is in any order."""
        np.savez_compressed(
            path,
            train=as_input(self.train[:SAVED_PICTURES]).numpy(),
            train_labels=self.train_labels[:SAVED_PICTURES].numpy(),
            test=as_input(self.test[:SAVED_PICTURES]).numpy(),
            test_labels=self.test_labels[:SAVED_PICTURES].numpy(),
        )


def make(number: int, pictures: Pictures, folder: Path) -> dict[str, Any]:
    """Train, export and measure one network.

    Returns:
        Its entry in `networks.json`.
    """
    settings = draw_settings(number)
    name = f"{number:03d}-{settings.kind}"
    torch.manual_seed(settings.seed)
    network = build(settings)
    untrained = f"{name}-untrained.onnx" if number < UNTRAINED and not settings.random_labels else None
    if untrained:
        export(network, folder / untrained, (1, 28, 28))
    labels = labels_of(pictures.train_labels, settings)
    epochs = train(network, pictures.train, labels, settings)
    path = folder / f"{name}.onnx"
    export(network, path, (1, 28, 28))
    train_accuracy, train_loss = accuracy_and_loss(logits_of(path, pictures.train), labels)
    test_accuracy, test_loss = accuracy_and_loss(logits_of(path, pictures.test), pictures.test_labels)
    return {
        "name": name,
        "file": path.name,
        "untrained": untrained,
        "settings": asdict(settings),
        "units": units(network),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "epochs": epochs,
        "fits": train_accuracy == 1,
        "train_accuracy": train_accuracy,
        "train_loss": train_loss,
        "test_accuracy": test_accuracy,
        "test_loss": test_loss,
        "gap": train_accuracy - test_accuracy,
    }


def main() -> None:
    """Train what the folder doesn't hold yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--data", type=Path, required=True, help="folder of the four .gz files")
    parser.add_argument("--networks", type=int, required=True, help="how many to train")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(mode=True)
    folder: Path = arguments.out
    folder.mkdir(parents=True, exist_ok=True)
    pictures = Pictures(arguments.data)
    pictures.save(folder / "pictures.npz")
    listing = folder / "networks.json"
    entries: list[dict[str, Any]] = json.loads(listing.read_text()) if listing.exists() else []
    for number in range(len(entries), arguments.networks):
        entry = make(number, pictures, folder)
        entries.append(entry)
        listing.write_text(json.dumps(entries, indent=2) + "\n")
        fits = "fits" if entry["fits"] else "does NOT fit"
        print(f"{entry['name']}: {fits} after {entry['epochs']} epochs, gap {entry['gap']:.3f}", flush=True)


if __name__ == "__main__":
    main()
