"""Train and export `char_transformer`, a language model of characters, and the sentences to try it on.

The text is a modern English translation in the public domain, read from a Debian package. Whole books are held
out: they are looked at once, at the end, for the card and for `sentences.json`. All settings are fixed beforehand.
"""

import argparse
import json
import re
import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from cards import MODELS, Accuracy, Description, write_card
from exporting import export_with_axes, shrink
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

NAME = "char_transformer"
HELD_OUT_BOOKS = ("Ruth", "Esth", "Jonah", "Acts", "Jas")
# Other versions of books that are held out: as training text they would give the held-out one away.
LEFT_OUT_BOOKS = ("EsthGr",)
CONTEXT = 128
WIDTH = 128
HEADS = 4
LAYERS = 3
STEPS = 4000
BATCH = 16
PEAK_LEARNING_RATE = 3e-3
WEIGHT_DECAY = 0.1
MAX_GRADIENT = 1.0
HIDDEN_SHARE = 0.002
MIN_OCCURRENCES = 100
SHORTEST, LONGEST = 40, 120
SENTENCES = 40
SEED = 20260501

UNKNOWN, NEWLINE, SPACE = "<unknown>", "<newline>", "<space>"
VOCABULARY_FILE = f"{NAME}_vocabulary.txt"
ASCII = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "—": "-", "–": "-", "\N{NO-BREAK SPACE}": " "})

# Everyday sentences written for this project, in the Latin alphabet without accents: what is not written in it
# is transliterated. None is a translation of a line of the training text.
FOREIGN = (
    "Der Zug nach Hamburg faehrt heute leider erst um halb neun ab.",
    "Meine Schwester backt jeden Sonntag einen Kuchen mit Kirschen.",
    "Wir haben gestern im Garten die ersten Tomaten gepflueckt.",
    "Kannst du mir bitte sagen, wo ich hier Briefmarken kaufen kann?",
    "Le marche ouvre tous les matins devant la vieille gare.",
    "Nous avons oublie nos parapluies dans le train de Lyon.",
    "Mon voisin repare des velos dans une petite cour derriere la maison.",
    "Est-ce que vous avez une table libre pour quatre personnes ce soir ?",
    "Mi abuela prepara la sopa con arroz, ajo y mucho limon.",
    "El autobus numero doce pasa cada veinte minutos por la plaza.",
    "Los ninos juegan al futbol en la playa hasta que anochece.",
    "No encuentro las llaves que deje encima de la mesa.",
    "La biblioteca del paese chiude presto durante il mese di agosto.",
    "Domani mattina prendiamo il traghetto per andare sull'isola.",
    "Il gatto dorme sempre sulla sedia vicino alla finestra.",
    "De fietsen staan achter het huis, naast de oude schuur.",
    "Morgen gaan we met de hele klas naar het museum in Utrecht.",
    "O cafe da manha e servido das sete as dez horas no terraco.",
    "A minha prima mora num predio alto perto do rio.",
    "Bussen till flygplatsen gar var tionde minut fran torget.",
    "I skogen plockade vi blabar och kokade sylt hela kvallen.",
    "Jutro rano jedziemy nad morze, bo ma byc piekna pogoda.",
    "Moj brat naprawia stare radia i sprzedaje je na targu.",
    "Juna ei pysahdy talla asemalla enaa iltaisin.",
    "Ostimme torilta mansikoita ja tuoretta ruisleipaa.",
    "A vonat ket perc mulva indul a harmadik vaganyrol.",
    "Kardesim her sabah denizde yuzuyor ve sonra kahve iciyor.",
    "Yarin aksam komsularla birlikte balik pisirecegiz.",
    "Zavtra my poyedem na dachu i budem sazhat kartoshku.",
    "Moya sestra rabotaet v bolnitse i lyubit chitat stikhi.",
    "Poezd opazdyvaet na dvadtsat minut iz-za snega.",
    "To kafeneio sti gonia anoigei noris kai kleinei arga.",
    "Avrio tha pame me to ploio sto nisi gia tris meres.",
    "Watashi wa mainichi eki made aruite kayoimasu.",
    "Kono mise no ramen wa totemo oishii desu ne.",
    "Mingtian xiawu women yiqi qu gongyuan fang fengzheng.",
    "Wo meimei zai xuexiao li xuexi huahua he tan gangqin.",
    "Oneul jeonyeoge chinguwa hamkke yeonghwareul bol geoyeyo.",
    "Mera bhai har ravivar ko bazar se taze phal lata hai.",
    "Hadhihi al-madina jamila jiddan fi fasl al-rabi.",
)

ORIGIN = (
    "Trained from scratch for this project on the text of the Debian package sword-text-web 426.0-1, whose "
    'copyright file says: "License: public-domain. The World English Bible is in the Public Domain. That means '
    'that it is not copyrighted." ("World English Bible" is a trademark of eBible.org; this model is not it.)'
)


class ReshapeFunction(torch.autograd.Function):
    """Reshape the axes behind batch and sequence, exported as one Reshape node that copies these two.

    The exporter's own translation computes the shape at run time, a dozen nodes for each, half of them nameless.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, *sizes: int) -> Tensor:  # noqa: ARG004
        """Keep the first two axes of `x` and give the others these sizes."""
        return x.reshape(*x.shape[:2], *sizes)

    @staticmethod
    def symbolic(g: Any, x: Any, *sizes: int) -> Any:
        """Emit the node."""
        return g.op("Reshape", x, g.op("Constant", value_t=torch.tensor([0, 0, *sizes[:-1], -1])))


def reshaped(x: Tensor, *sizes: int) -> Tensor:
    """Keep the first two axes of `x` and give the others these sizes."""
    if torch.onnx.is_in_onnx_export():
        return ReshapeFunction.apply(x, *sizes)
    return x.reshape(*x.shape[:2], *sizes)


class Attention(nn.Module):
    """Causal self-attention: a position sees itself and what is before it."""

    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Linear(WIDTH, WIDTH, bias=False)
        self.key = nn.Linear(WIDTH, WIDTH, bias=False)
        self.value = nn.Linear(WIDTH, WIDTH, bias=False)
        self.mix = nn.Linear(WIDTH, WIDTH, bias=False)

    @staticmethod
    def _split(x: Tensor) -> Tensor:
        return reshaped(x, HEADS, WIDTH // HEADS).transpose(1, 2)

    def forward(self, x: Tensor, visible: Tensor) -> Tensor:
        """Map `[batch, sequence, WIDTH]` to the same shape; `visible` is `[sequence, sequence]`."""
        query, key, value = self._split(self.query(x)), self._split(self.key(x)), self._split(self.value(x))
        scores = query @ key.transpose(-1, -2) * (WIDTH // HEADS) ** -0.5
        weights = scores.masked_fill(~visible, -1e9).softmax(dim=-1)
        return self.mix(reshaped((weights @ value).transpose(1, 2), WIDTH))


class Block(nn.Module):
    """Attention and a hidden layer, each normalized before and added to what came in."""

    def __init__(self) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(WIDTH)
        self.attention = Attention()
        self.hidden_norm = nn.LayerNorm(WIDTH)
        self.expand = nn.Linear(WIDTH, 4 * WIDTH)
        self.gelu = nn.GELU()
        self.project = nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor, visible: Tensor) -> Tensor:
        """Map `[batch, sequence, WIDTH]` to the same shape."""
        x = x + self.attention(self.attention_norm(x), visible)
        return x + self.project(self.gelu(self.expand(self.hidden_norm(x))))


class CharTransformer(nn.Module):
    """Embedding, learnt positions, blocks, one linear layer."""

    visible: Tensor

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, WIDTH)
        self.positions = nn.Parameter(torch.zeros(CONTEXT, WIDTH))
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, vocabulary)
        self.register_buffer("visible", torch.ones(CONTEXT, CONTEXT, dtype=torch.bool).tril())
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=0.02 if module is self.head else WIDTH**-0.5)
        for block in self.blocks:
            nn.init.zeros_(block.attention.mix.weight)
            nn.init.zeros_(block.project.weight)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map `[batch, sequence]`, at most CONTEXT long, to logits `[batch, sequence, vocabulary]`."""
        sequence = tokens.shape[1]
        x = self.embedding(tokens) + self.positions[:sequence]
        visible = self.visible[:sequence, :sequence]
        for block in self.blocks:
            x = block(x, visible)
        return self.head(self.norm(x))


def read_books(folder: Path) -> dict[str, str]:
    """Read a SWORD zText module: book by book, the running text without notes, titles and mark-up.

    The index `.bzs` holds offset, packed and unpacked size of each block in `.bzz`. A few blocks only continue
    a book that is numbered in another way; they repeat text and are passed over.
    """
    books = {}
    for part in ("ot", "nt"):
        packed = (folder / f"{part}.bzz").read_bytes()
        for start, length, _ in struct.iter_unpack("<III", (folder / f"{part}.bzs").read_bytes()):
            block = zlib.decompress(packed[start : start + length]).decode("utf-8")
            opening = re.search(r'<div canonical="true" osisID="(\w+)"[^>]*>', block)
            if opening:
                books[opening[1]] = plain(block[opening.end() :])
    return books


def plain(markup: str) -> str:
    """Reduce OSIS mark-up to one line of ASCII text, where what is typeset has an ASCII counterpart."""
    text = re.sub(r"<(note|title)\b[^>]*(?<!/)>.*?</\1>", " ", markup, flags=re.S)
    text = re.sub(r"<(?:l|lg|div|chapter|milestone)\b[^>]*>", " ", text)
    text = re.sub(r"<[^>]*>", "", text).translate(ASCII)
    text = text.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">")
    return re.sub(r"\s+([,.;:!?])", r"\1", re.sub(r"\s+", " ", text)).strip()


def sentences_of(text: str) -> list[str]:
    """Split running text behind `.`, `?` and `!`, with the quotation marks that may follow."""
    return re.findall(r"\S.*?[.?!][\"')]*(?=\s|$)", text)


def choose_vocabulary(text: str) -> list[str]:
    """List the frequent characters, the unknown one first: a rare one can't be learnt."""
    counts = Counter(text)
    frequent = sorted(
        sign for sign, count in counts.items() if count >= MIN_OCCURRENCES and sign not in " \n"
    )
    return [UNKNOWN, NEWLINE, SPACE, *frequent]


class Encoder:
    """Characters to tokens; what is not in the vocabulary becomes token 0."""

    def __init__(self, vocabulary: list[str]) -> None:
        spelled = {NEWLINE: "\n", SPACE: " "}
        self.tokens = {spelled.get(entry, entry): index for index, entry in enumerate(vocabulary)}
        del self.tokens[UNKNOWN]

    def __call__(self, text: str) -> NDArray[np.int64]:
        """Encode a text."""
        return np.array([self.tokens.get(sign, 0) for sign in text], np.int64)


def windows(tokens: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw a batch of windows and, for each position, the character that follows.

    A few characters are hidden, so that the token of unknown ones means something.
    """
    starts = torch.randint(0, len(tokens) - CONTEXT, (BATCH, 1), generator=generator)
    drawn = tokens[starts + torch.arange(CONTEXT + 1)]
    hidden = torch.rand(BATCH, CONTEXT, generator=generator) < HIDDEN_SHARE
    return drawn[:, :-1].masked_fill(hidden, 0), drawn[:, 1:]


def train(model: nn.Module, tokens: Tensor) -> None:
    """Train in place with AdamW and a one-cycle learning rate."""
    generator = torch.Generator().manual_seed(SEED)
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.99), weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, PEAK_LEARNING_RATE, total_steps=STEPS, pct_start=0.1, cycle_momentum=False
    )
    model.train()
    total = 0.0
    for step in range(1, STEPS + 1):
        inputs, targets = windows(tokens, generator)
        with torch.autocast("cpu", torch.bfloat16):  # Faster by a third; weights and optimizer stay float32.
            logits = model(inputs)
        loss = functional.cross_entropy(logits.float().flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), MAX_GRADIENT)
        optimizer.step()
        schedule.step()
        total += float(loss.detach())
        if step % 100 == 0:
            print(f"step {step}/{STEPS}: {total / 100 / np.log(2):.3f} bits per character", flush=True)
            total = 0.0


def measure(path: Path, sentences: list[str], encoder: Encoder) -> tuple[float, float]:
    """Measure top-1 accuracy and bits per character with onnxruntime, the way the package will run the file.

    Each sentence is predicted alone, after a newline, from its first character to its last.
    """
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    hits, bits, count = 0, 0.0, 0
    for sentence in sentences:
        tokens = encoder("\n" + sentence)
        (logits,) = session.run(["logits"], {"tokens": tokens[None, :-1]})
        scores = logits[0].astype(np.float64)
        peak = scores.max(axis=1)
        normalizers = peak + np.log(np.exp(scores - peak[:, None]).sum(axis=1))
        right = scores[np.arange(len(scores)), tokens[1:]]
        hits += int((scores.argmax(axis=1) == tokens[1:]).sum())
        bits += float((normalizers - right).sum()) / np.log(2)
        count += len(scores)
    return hits / count, bits / count


def shuffled_words(sentence: str, generator: np.random.Generator) -> str:
    """Shuffle a sentence's words until their order is another one."""
    words = sentence.split(" ")
    while (drawn := " ".join(generator.permutation(words))) == sentence:
        pass
    return drawn


def shuffled_characters(sentence: str, generator: np.random.Generator) -> str:
    """Shuffle a sentence's characters, including spaces."""
    return "".join(generator.permutation(list(sentence)))


def write_sentences(sentences: list[str], vocabulary: list[str]) -> None:
    """Write the sets of sentences: held-out ones and four out-of-distribution sets."""
    generator = np.random.default_rng(SEED)
    chosen = [sentences[index] for index in sorted(generator.permutation(len(sentences))[:SENTENCES])]
    signs = [" " if entry == SPACE else entry for entry in vocabulary if entry not in {UNKNOWN, NEWLINE}]
    unknown = [sentence for sentence in FOREIGN if not Encoder(vocabulary)(sentence).all()]
    if unknown:
        raise SystemExit(f"not in the vocabulary: {unknown}")
    sets = {
        "in_distribution": chosen,
        "words_shuffled": [shuffled_words(sentence, generator) for sentence in chosen],
        "characters_shuffled": [shuffled_characters(sentence, generator) for sentence in chosen],
        "foreign": list(FOREIGN),
        "random": ["".join(generator.choice(signs, len(sentence))) for sentence in chosen],
    }
    (MODELS / "sentences.json").write_text(json.dumps(sets, indent=2) + "\n", "utf-8")


def split_books(books: dict[str, str]) -> Iterator[tuple[bool, str]]:
    """Yield each sentence, and whether it is held out."""
    for book, text in books.items():
        if book not in LEFT_OUT_BOOKS:
            for sentence in sentences_of(text):
                yield book in HELD_OUT_BOOKS, sentence


def main() -> None:
    """Make the model, its card, its vocabulary and the sentences."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data",
        type=Path,
        default=Path("/usr/share/sword/modules/texts/ztext/engWEB2015eb"),
        help="folder of the SWORD module",
    )
    books = read_books(parser.parse_args().data)
    torch.set_num_threads(1)  # The matrices are small: a second thread costs more than it brings.
    torch.use_deterministic_algorithms(mode=True)
    torch.manual_seed(SEED)

    split = list(split_books(books))
    training = [sentence for is_held_out, sentence in split if not is_held_out]
    text = "\n" + "\n".join(training) + "\n"
    vocabulary = choose_vocabulary(text)
    encoder = Encoder(vocabulary)
    seen = set(training)
    held_out = list(
        dict.fromkeys(
            sentence
            for is_held_out, sentence in split
            if is_held_out
            and SHORTEST <= len(sentence) <= LONGEST
            and sentence not in seen
            and encoder(sentence).all()
        )
    )
    print(
        f"{len(text):,} characters, {len(vocabulary)} in the vocabulary; {len(held_out)} sentences held out"
    )
    (MODELS / VOCABULARY_FILE).write_text("\n".join(vocabulary) + "\n", "utf-8")
    write_sentences(held_out, vocabulary)

    model = CharTransformer(len(vocabulary))
    train(model, torch.from_numpy(encoder(text)))
    path = MODELS / f"{NAME}.onnx"
    example = torch.zeros(2, CONTEXT // 2, dtype=torch.int64)
    export_with_axes(model, path, "tokens", example, {0: "batch", 1: "sequence"})
    shrink(path)
    accuracy, bits = measure(path, held_out, encoder)
    print(f"{NAME}: {bits:.4f} bits per character, {accuracy:.4f} top-1, {path.stat().st_size:,} bytes")
    summary = (
        f"Decoder-only transformer of characters, {LAYERS} blocks, at most {CONTEXT} characters; English "
        "sentences. Weights stored as float16."
    )
    description = Description(
        NAME, summary, ORIGIN, "Apache-2.0", "models/training/char_transformer.py", VOCABULARY_FILE, None
    )
    where = (
        f"{len(held_out):,} sentences of {SHORTEST} to {LONGEST} characters, all of them in the vocabulary, from "
        "five books that were held out of training (Ruth, Esther, Jonah, Acts, James)"
    )
    how = (
        "Share of characters that the model ranks first, and bits per character, each sentence alone after a "
        "newline; measured on the exported file with onnxruntime; no setting was chosen by looking at this set."
    )
    write_card(path, description, Accuracy(round(accuracy, 4), where, how, round(bits, 4)))


if __name__ == "__main__":
    main()
