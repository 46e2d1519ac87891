"""Streamed runs of the bundled network, and their lines."""

import json
from pathlib import Path

import onnx_ood
from onnx_ood import models
from onnx_ood.audits.score.settings import ScoreSettings, Streaming

CNN = models.path("fashion_cnn")
UNREADABLE = Path(__file__).with_name("unreadable.png")
# Batches of four, so that a run has several.
SETTINGS = ScoreSettings(batch_size=4, copies=2)


def score(inputs, stream=None, settings=SETTINGS, **streaming):
    arguments = [str(path) for path in (inputs if isinstance(inputs, list) else [inputs])]
    chosen = None if stream is None else Streaming(stream, **streaming)
    return onnx_ood.score(CNN, [*arguments, str(UNREADABLE)], settings, streaming=chosen)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]
