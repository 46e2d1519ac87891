"""A model with its site, its fed input, its feeds and its preprocessing: what all audits of inputs begin with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from onnx_ood._dialect import named
from onnx_ood.evidence.feeding import Feeding
from onnx_ood.evidence.model_notes import branching_notes
from onnx_ood.evidence.preprocessing_choice import (
    choose_preprocessing,
    find_card,
    preprocessing_notes,
    row_request,
)
from onnx_ood.evidence.site_choice import choose_site
from onnx_ood.exceptions import UsageError
from onnx_ood.graph import FedInput, Model, Tensor, find_answer, holds_input, load
from onnx_ood.inputs import Card, Chosen, InputSource, Preprocessing, Reader, choose, find_tokenizer
from onnx_ood.results.provenance import ModelFacts, model_facts
from onnx_ood.runtime import decoding_threads, find_fed_input, find_input


@dataclass(frozen=True)
class PreparedModel:
    """A model and the choices that reading its inputs takes.

    Attributes:
        model: The model.
        site: Tensor to nudge.
        fed: Model input that takes the inputs, with its batch axis first.
        feeding: Sources of the values of all model inputs.
        card: The model's card, or None.
        chosen: Preprocessing of pictures and its source, or None.
        site_note: Note on a site that was chosen inside the model.
        answer: Output of the model that the user named as its answer, or None.
    """

    model: Model
    site: Tensor
    fed: FedInput
    feeding: Feeding
    card: Card | None
    chosen: Chosen | None
    site_note: tuple[str, ...]
    answer: str | None = None

    @property
    def preprocessing(self) -> Preprocessing | None:
        """Preprocessing of pictures; None if it is unknown."""
        return None if self.chosen is None else self.chosen.preprocessing

    @property
    def site_preprocessing(self) -> Preprocessing | None:
        """Preprocessing if the site holds pictures: it gives nudges their units. None elsewhere inside the model."""
        return self.preprocessing if self.site_holds_input else None

    @property
    def site_holds_input(self) -> bool:
        """True if the site is the fed input, or a cast of it."""
        return holds_input(self.model, self.site)

    @property
    def other_inputs(self) -> tuple[str, ...]:
        """Names of the model inputs besides the fed one."""
        return tuple(tensor.name for tensor in self.model.inputs if tensor.name != self.fed.name)

    @property
    def batched(self) -> bool:
        """True if the fed input has a batch axis."""
        return self.fed.batch_axis is not None

    @cached_property
    def facts(self) -> ModelFacts:
        """Facts of the model file."""
        return model_facts(self.model)

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on the site, the feeds and the preprocessing."""
        return (
            *self.site_note,
            *filter(None, [self.fed.note]),
            *branching_notes(self.model, self.fed),
            *self.feeding.notes,
            *preprocessing_notes(self.chosen, self.card, self.facts),
        )

    def with_preprocessing(self, chosen: Chosen | None) -> PreparedModel:
        """Return the model with another preprocessing."""
        return replace(self, chosen=chosen)

    def check(self, source: InputSource) -> None:
        """Refuse inputs that this model cannot take.

        Args:
            source: The inputs.

        Raises:
            UsageError: If pictures lack a preprocessing, or no input can hold the values that other model inputs need.
        """
        self.feeding.check(source)
        if self.chosen is None and source.kinds(row_request(self.fed))[0]:
            raise UsageError(
                f"the inputs are pictures and no preprocessing is known; give {named('preprocess', 'imagenet')}"
            )

    def sample(self, source: InputSource, limit: int | None, seed: int) -> InputSource:
        """Draw a random sample of inputs, rows of files among them.

        Args:
            source: The inputs.
            limit: Number of inputs; None for all.
            seed: Seed of the sample.
        """
        if limit is None:
            return source
        return replace(source, items=self.reader(source, batch=1, limit=limit, seed=seed).items)

    def reader(
        self,
        source: InputSource,
        *,
        batch: int,
        skip: Callable[[str], bool] | None = None,
        limit: int | None = None,
        seed: int = 0,
    ) -> Reader:
        """Return a reader of inputs for this model.

        Args:
            source: The inputs.
            batch: Inputs per batch.
            skip: Called with an input's id; True skips the input.
            limit: Number of inputs to draw at random; None for all.
            seed: Seed of the sample.

        Raises:
            UsageError: If an array in memory does not fit the model's input.
        """
        request = row_request(self.fed)
        return Reader(
            source,
            preprocessing=self.preprocessing,
            input_name=request.name,
            input_shape=request.shape,
            batch_axis=request.stored_axis,
            dtype=request.dtype,
            others=self.feeding.from_files,
            batch=batch,
            threads=decoding_threads(),
            skip=skip,
            tokenizer=find_tokenizer(self.model.path),
            limit=limit,
            seed=seed,
        )


def prepare_model(
    model: str | Path | Model,
    source: InputSource,
    *,
    site: str | None = None,
    feeds: Mapping[str, str] | None = None,
    preprocess: str | None = None,
    batch_axis: str | None = None,
    answer: str | None = None,
    assume_pictures: bool = False,
) -> PreparedModel:
    """Load a model and choose its site, feeds and preprocessing.

    Args:
        model: Path of an ONNX file, or a loaded model.
        source: All inputs that will be read.
        site: Tensor to nudge; None for the only input of floats, or else the first inner tensor of floats.
        feeds: Values of other model inputs by name, the same for all inputs.
        preprocess: Specification of the preprocessing, as `onnx_ood.inputs.parse` takes it; None for the card's or a
            guess.
        batch_axis: The batch axis of the model input that takes the inputs, `"none"`, or None to find it.
        answer: Output of the model that is its answer; None to find it.
        assume_pictures: True to guess a preprocessing for an input with four axes even if no pictures are given yet.

    Returns:
        The model with all choices.

    Raises:
        UsageError: If a choice does not fit the model.
        ModelError: If the model cannot be read.
    """
    loaded = model if isinstance(model, Model) else load(model)
    feeds = feeds or {}
    if answer is not None:
        find_answer(loaded, answer)
    tensor, note = choose_site(loaded, site, feeds)
    fed = find_fed_input(loaded, find_input(loaded, tensor, feeds), batch_axis)
    feeding = Feeding(loaded, fed, feeds)
    card = find_card(loaded)
    chosen = choose_preprocessing(fed, source, preprocess, card)
    if (
        chosen is None
        and assume_pictures
        and (fed.floating or fed.dtype == "uint8")
        and len(fed.shape or ()) == 4
    ):
        try:
            chosen = choose(fed.shape or (), card=card, dtype=fed.dtype)
        except UsageError:  # four axes, but not a picture
            chosen = None
    return PreparedModel(loaded, tensor, fed, feeding, card, chosen, note, answer)
