"""What predictors of frames, of features and of views share."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass, replace
from itertools import islice
from numbers import Integral
from typing import Any

import numpy as np

from videomem_hf.devices import usable_device
from videomem_hf.inference.claims import Claims
from videomem_hf.inference.intervals import LEVEL
from videomem_hf.inference.prediction import ATYPICAL_NOTE, ATYPICAL_PERCENT, NOT_COMPARED_NOTE, Prediction
from videomem_hf.inference.sources import ClipSource, input_name, row_title
from videomem_hf.inference.typicality import Described
from videomem_hf.model_names import NO_TITLES
from videomem_hf.schema import Horizon, InputError, cause_of
from videomem_hf.system import quantity
from videomem_hf.video.video import Frame

OnFrame = Callable[[Frame], None] | None
Titles = Iterable[str | None] | Mapping[str, str | None]
"""One per clip, or by file name."""


@dataclass(frozen=True)
class Options:
    """What is wanted of clips; see `ClipPredictor.predict_many`."""

    stills: int
    on_frame: OnFrame
    maps: bool
    fail_fast: bool


def _channels_last(model: Any) -> Any:
    """Lay the weights of 2D convolutions out in the order in which they are fastest; their values stay."""
    import torch

    for parameter in model.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return model


def check_scores(scores: Any) -> None:
    """Raise an InputError if not all scores, a list or array of any shape, are numbers."""
    if not np.isfinite(scores).all():
        raise InputError("the model's score is not a number; its weights may be damaged: fetch or train it again")


def pair_titles(sources: Iterable[ClipSource], titles: Titles) -> Iterator[tuple[ClipSource, str | None]]:
    """Give each clip its title: by its name, or one after the other; those that repeat without end may be more.

    Raises InputError where there are fewer titles than clips, or more in a list.
    """
    if isinstance(titles, Mapping):
        from videomem_hf.features.clip_titles import ClipTitles

        named = ClipTitles(titles)
        yield from ((source, named.of(input_name(source)) or row_title(source)) for source in sources)
        return
    remaining, count = iter(titles), 0
    for source in sources:
        for title in islice(remaining, 1):
            yield source, title
            break
        else:
            raise InputError(f"there are {quantity(count, 'title')} and more clips; give one title per clip")
        count += 1
    if isinstance(titles, Sized) and len(titles) != count:
        raise InputError(f"there are {quantity(len(titles), 'title')} for {quantity(count, 'clip')}; give one per clip")


class ClipPredictor(ABC):
    """A loaded model that scores clips.

    Args:
        model: A memorability predictor.
        name: Name of the model in the predictions.
        device: "cpu", "cuda", ...; None takes a GPU if there is one.
        claims: What the predictions carry besides scores.
        title: Title of clips for which neither the call nor a row gives one, for a model that reads titles.

    Raises:
        InputError: A title is given and the model does not read titles; or a package or file that it needs is missing.
    """

    device: Any
    """PyTorch's; "cpu" of an exported model."""

    def __init__(
        self,
        model: Any,
        name: str,
        device: str | None = None,
        claims: Claims | None = None,
        title: str | None = None,
    ) -> None:
        self._place(model, device)
        self.name = name
        self.claims = claims or Claims()
        self.horizons: tuple[Horizon, ...] = tuple(model.config.horizons)
        self.title = title
        self._load_extractors()
        if title is not None:
            self.check_title()

    def _place(self, model: Any, device: str | None) -> None:
        """Set `device` and `model`."""
        import torch

        self.device = torch.device(usable_device(device))
        self.model = _channels_last(model.to(self.device).eval())

    @property
    def scores_frames(self) -> bool:
        """Whether the score of a clip is made of scores of its frames."""
        return True

    def _load_extractors(self) -> None:  # noqa: B027 - a model of frames needs none
        """Load what extracts the model's inputs from a clip; refuse with an InputError what is missing."""

    @property
    def saliency_method(self) -> str | None:
        """Method of this model's saliency maps, see `Prediction`; None if it has none."""
        return None

    @property
    def why_no_maps(self) -> str:
        """Why this model's predictions have no saliency, where they have none."""
        return f"{self.name} offers none"

    @property
    def interval_level(self) -> float:
        """Share of measured scores that the prediction intervals cover."""
        own, reference = getattr(self.model.config, "interval_level", None), self.claims.reference
        if own is not None:  # the model gives them itself
            return float(own)
        return LEVEL if reference is None else reference.interval_level

    @property
    def reads_titles(self) -> bool:
        """Whether the model reads the clips' titles."""
        return False

    @abstractmethod
    def extract(self, source: ClipSource, title: str | None = None) -> tuple[dict[str, np.ndarray], list[str]]:
        """Return the inputs of the model for a clip, without the batch axis, and notes on what is unusual about the
        file.

        Raises:
            VideoError: The clip cannot be decoded, or a feature cannot be extracted from it.
        """

    def predict(
        self,
        source: ClipSource,
        stills: int = 0,
        on_frame: OnFrame = None,
        maps: bool = False,
        title: str | None = None,
    ) -> Prediction:
        """Score a clip.

        Args:
            source: See `ClipSource`; a model of features takes files only, no frames.
            stills: How many frames to return, evenly spread over the clip, with their saliency maps if the model has
                any.
            on_frame: Called with each sampled frame when it is decoded, to show progress, from the thread that decodes
                (several may call at the same time). Models of features do not call it. Its exceptions fail the clip.
            maps: Whether to return the saliency maps of all sampled frames; a note says if the model has none.
            title: Title of the clip, for a model that reads titles; None takes that of a row of a data set, if it has
                one.

        Raises:
            VideoError: The clip cannot be decoded.
            InputError: The source is not a clip, or the model does not read titles.
        """
        titles = None if title is None else [title]
        return next(self.predict_many([source], stills, on_frame, maps, titles, fail_fast=True))

    def predict_many(
        self,
        sources: Iterable[ClipSource],
        stills: int = 0,
        on_frame: OnFrame = None,
        maps: bool = False,
        titles: Titles | None = None,
        fail_fast: bool = False,
    ) -> Iterator[Prediction]:
        """Score clips in order; frames of successive clips share batches of the network.

        Args:
            sources: The clips.
            stills, on_frame, maps: See `predict`.
            titles: One title per clip, None for a clip without one; or a mapping from file name to title. By default a
                row of a data set has its own, and all others the predictor's.
            fail_fast: Whether to raise the error of the first clip that fails. Otherwise its prediction has an
                `error`, and the others are scored.

        Returns:
            The predictions in the order of the sources, each as soon as it is known. About ten sources are read ahead,
            and all whose frames share a batch.

        Raises:
            InputError: The model does not read titles, or `stills` is not a number of frames.
        """
        if not isinstance(stills, Integral) or stills < 0:
            raise InputError(f"stills is {stills!r}; it is a number of frames, 0 or more")
        if titles is not None:
            self.check_title()
        if titles is None:
            titled: Iterable[tuple[ClipSource, str | None]] = (
                (each, row_title(each) or self.title) for each in sources
            )
        else:
            titled = pair_titles(sources, titles)
        return self._predict_each(titled, Options(stills, on_frame, maps, fail_fast))

    def check_title(self) -> None:
        """Raise an InputError for titles if the model does not read them."""
        if not self.reads_titles:
            raise InputError(f"{self.name}: {NO_TITLES}")

    @abstractmethod
    def _predict_each(
        self, titled: Iterable[tuple[ClipSource, str | None]], options: "Options"
    ) -> Iterator[Prediction]:
        """Score clips, each with its title; see `predict_many`."""

    def attempt(self, source: ClipSource, predict: Callable[[], Prediction], options: "Options") -> Prediction:
        """Return a clip's prediction, or, among several clips, a failed prediction with the error."""
        try:
            prediction = predict()
            check_scores(list(prediction.scores.values()))
            return prediction
        except Exception as error:
            if options.fail_fast:
                raise
            name = input_name(source)
            return Prediction.failed(name, self.name, self.horizons, cause_of(error, name), self.claims.version)

    def notes(self, name: str, found: Iterable[str], maps: bool) -> tuple[str, ...]:
        """Notes on what is unusual about a clip, without its name, and on maps that were asked for but do not exist."""
        missing = [f"No saliency maps: {self.why_no_maps}."] if maps and not self.saliency_method else []
        return (*(note.removeprefix(f"{name}: ") for note in found), *missing)

    def with_claims(self, prediction: Prediction, described: Described) -> Prediction:
        """Add what the model's predictions carry; `described` are the clip's groups of numbers, `(1, size)` each.

        A prediction that has intervals keeps them.
        """
        claims, reference = self.claims, self.claims.reference
        typicality = claims.typicality.percent(described) if claims.typicality else None
        notes: tuple[str, ...] = ()
        if typicality is not None:
            notes = (ATYPICAL_NOTE,) if typicality <= ATYPICAL_PERCENT else ()
        elif claims.typicality is not None:
            notes = (NOT_COMPARED_NOTE,)
        if warning := getattr(self.model.config, "warning", ""):
            notes = (warning, *notes)
        if prediction.intervals is None and reference is not None:
            intervals, level = reference.intervals(prediction.scores), reference.interval_level
            prediction = replace(prediction, intervals=intervals, interval_level=level)
        return replace(
            prediction,
            notes=(*notes, *prediction.notes),
            reference=reference,
            caveats=claims.caveats,
            typicality=typicality,
            model_version=claims.version,
            frame_noise=claims.frame_noise,
        )
