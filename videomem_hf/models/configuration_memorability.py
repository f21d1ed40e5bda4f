"""What the configurations of all memorability predictors have in common."""

import difflib
import re
from collections.abc import Iterable
from dataclasses import fields
from typing import Any, ClassVar

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig

DEFAULT_SCORES = {"short_term": (0.859, 0.082), "long_term": (0.778, 0.145)}
"""VideoMem's means (Sec. 3.3) and its released scores' standard deviations; as in schema.py, which is not shipped."""
OTHER_SCORES = (0.5, 0.2)
"""Of a horizon of another name, until training scores are known."""


@strict
class MemorabilityConfig(PreTrainedConfig):
    """Fields that every predictor's configuration has. Its methods `validate_...` run when one is created.

    Attributes:
        horizons: What is predicted, in the order of the output: "short_term", "long_term", or the names of one's own
            data's horizons, such as "week".
        score_means: One per horizon, strictly between 0 and 1: the mean of the training scores. A head that starts
            untrained predicts it. Empty: VideoMem's (.859 and .778), .5 for another horizon.
        score_stds: One per horizon, above 0: the standard deviation of the training scores, in which the loss is
            measured. Empty: VideoMem's (.082 and .145), .2 for another horizon.
        trained_on_generated: Whether the training clips were generated: predictions then say nothing about real clips.
    """

    # Saved models carry the files that define them. `register_for_auto_class` sets the same, but imports the Auto
    # classes, and those import this module.
    _auto_class: ClassVar[str] = "AutoConfig"

    keys_to_ignore_at_inference: ClassVar[list[str]] = [
        "frame_scores", "hidden_states", "attentions", "temporal_weights", "intervals", "explained",
    ]  # fmt: skip
    """Outputs that `Trainer` does not gather: its predictions are the scores."""

    horizons: list[str] | tuple[str, ...] = ("short_term", "long_term")
    score_means: list[float] | tuple[float, ...] = ()
    score_stds: list[float] | tuple[float, ...] = ()
    trained_on_generated: bool = False

    def __post_init__(self, **kwargs: object) -> None:
        _refuse_typing_errors(type(self), kwargs)
        known = [DEFAULT_SCORES.get(horizon, OTHER_SCORES) for horizon in self.horizons]
        self.score_means = self.score_means or [mean for mean, _ in known]
        self.score_stds = self.score_stds or [std for _, std in known]
        super().__post_init__(**kwargs)

    @property
    def output_attentions(self) -> bool | None:
        """Whether `forward` returns attention maps, where the model has them and is not told otherwise.

        They are computed beside the attention: any implementation of it will do.
        """
        return self._output_attentions

    @output_attentions.setter
    def output_attentions(self, value: bool | None) -> None:
        self._output_attentions = value

    def validate_output_attentions(self) -> None:
        """Accept it with every implementation of attention."""

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs: Any) -> Any:
        """As of `PreTrainedConfig`; with other `horizons` the score statistics are those saved of the same names, and
        the defaults of others, unless they are given too.
        """
        if kwargs.get("horizons") is not None:
            saved = config_dict.get("horizons") or ()
            for place, field in enumerate(("score_means", "score_stds")):
                known = dict(zip(saved, config_dict.get(field) or (), strict=False))
                default = [DEFAULT_SCORES.get(each, OTHER_SCORES)[place] for each in kwargs["horizons"]]
                values = [known.get(name, value) for name, value in zip(kwargs["horizons"], default, strict=True)]
                kwargs.setdefault(field, values)
        found = super().from_dict(config_dict, **kwargs)
        (found[0] if isinstance(found, tuple) else found).validate()
        return found

    def validate_horizons(self) -> None:
        if (
            not self.horizons
            or len(set(self.horizons)) < len(self.horizons)
            or not all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", horizon) for horizon in self.horizons)
        ):
            raise ValueError(
                "horizons must be names of letters, digits and underscores, such as short_term and long_term, each "
                f"once; got {list(self.horizons)}"
            )
        if not len(self.score_means) == len(self.score_stds) == len(self.horizons):
            raise ValueError(f"score_means and score_stds must have one value for each of {list(self.horizons)}")
        if not all(0 < mean < 1 for mean in self.score_means) or not all(std > 0 for std in self.score_stds):
            raise ValueError("score_means must lie strictly between 0 and 1, score_stds above 0")


def check_least(config: PreTrainedConfig, **least: int) -> None:
    """Refuse a configuration that has a field below so much."""
    for name, lowest in least.items():
        if (value := getattr(config, name)) < lowest:
            raise ValueError(f"{name} must be at least {lowest}, got {value}")


def check_length(config: PreTrainedConfig, **lengths: int) -> None:
    """Refuse a configuration that has a list of another length."""
    for name, length in lengths.items():
        if len(values := getattr(config, name)) != length:
            raise ValueError(f"{name} must be {length} numbers, got {list(values)}")


def check_choice(config: PreTrainedConfig, **choices: Iterable[Any]) -> None:
    """Refuse a configuration that has a field with a value that is not among those possible."""
    for name, allowed in choices.items():
        if (value := getattr(config, name)) not in allowed:
            raise ValueError(f"{name} must be one of {', '.join(map(str, allowed))}, got {value!r}")


def _refuse_typing_errors(config_class: type, kwargs: dict[str, object]) -> None:
    """transformers stores any keyword it does not know; one that is nearly a field of ours is a slip."""
    own = {f.name for f in fields(config_class)} - {f.name for f in fields(PreTrainedConfig)}
    for name in kwargs:
        if close := difflib.get_close_matches(name, own, n=1, cutoff=0.8):
            raise TypeError(f"{config_class.__name__} has no field {name!r}; did you mean {close[0]!r}?")
