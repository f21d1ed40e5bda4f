"""Which models can be chosen; each is loaded once, and shared by everybody."""

import importlib.util
import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from work import Locks, check_between_layers

from videomem_hf.model_names import NO_MODEL, RESMEM, is_hub_id
from videomem_hf.schema import InputError

if TYPE_CHECKING:
    from videomem_hf.inference import ClipPredictor

RESMEM_LABEL = "ResMem (published, short-term)"
MOST_HUB_MODELS = 2
"""Models that visitors typed and that are kept; the one not used for longest goes."""
LARGEST_HUB_MODEL_MB = 2000
FOLDERS_VARIABLE = "VIDEOMEM_SPACE_MODELS"


class Models:
    """The models that this Space offers, by the labels that visitors see.

    Args:
        named: Folders or Hub ids that whoever runs the Space chose; None takes those of the environment variable
            `VIDEOMEM_SPACE_MODELS`, separated as paths are (by a colon on Linux). ResMem comes last, where installed.
    """

    def __init__(self, named: Sequence[str] | None = None) -> None:
        if named is None:
            named = [name for name in os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep) if name]
        self.offered: dict[str, str] = {}
        for name in named:
            self.offered[self._new_label(name)] = name
        if importlib.util.find_spec(RESMEM) is not None:
            self.offered[RESMEM_LABEL] = RESMEM
        self._loaded: dict[str, ClipPredictor] = {}
        self._typed: OrderedDict[str, ClipPredictor] = OrderedDict()
        self._loading = Locks()
        self._changing = threading.Lock()

    @property
    def labels(self) -> list[str]:
        """What can be chosen; the first is the default."""
        return list(self.offered)

    def predictor(self, label: str | None) -> "ClipPredictor":
        """Give a loaded model.

        Args:
            label: One of `labels`, or a Hub id that a visitor typed; never a path.

        Raises:
            InputError: There is no such model, or it is none of memorability; says what to do.
        """
        label = self.label(label)
        with self._loading.hold(label):
            if label not in self.offered:
                return self._typed_predictor(label)
            if label not in self._loaded:
                self._loaded[label] = self._load_offered(label)
            return self._loaded[label]

    def reads_titles(self, label: str | None) -> bool:
        """Whether a model reads titles; known of a folder by its configuration, of others once they are loaded."""
        label = label.strip() if isinstance(label, str) else ""
        loaded = self._loaded.get(label) or self._typed.get(label)
        if loaded is not None:
            return loaded.reads_titles
        folder = self.offered.get(label)
        if folder is None or not Path(folder).is_dir():
            return False
        from huggingface_hub.errors import StrictDataclassError
        from transformers import AutoConfig

        from videomem_hf.features.catalogue import reads_titles

        try:
            return reads_titles(AutoConfig.from_pretrained(folder).to_dict())
        except (OSError, ValueError, StrictDataclassError):  # loading it says what is wrong
            return False

    def label(self, typed: str | None) -> str:
        """Give the label that a visitor chose or typed, without blanks around it. Raises InputError if it is empty."""
        if not isinstance(typed, str) or not typed.strip():
            nothing = f"{NO_MODEL}, or type the id of one on the Hub"
            raise InputError("Choose a model first." if self.offered else nothing)
        return typed.strip()

    def _load_offered(self, label: str) -> "ClipPredictor":
        """Load an offered model; an InputError names its label and not its folder on this machine."""
        name = self.offered[label]
        try:
            return _load(name)
        except InputError as error:
            raise InputError(str(error).replace(name, label)) from error

    def _typed_predictor(self, name: str) -> "ClipPredictor":
        predictor = self._typed.get(name)
        if predictor is None:
            _check_hub_id(name, self.labels)
            predictor = _load(name)
        with self._changing:
            self._typed[name] = predictor
            self._typed.move_to_end(name)
            while len(self._typed) > MOST_HUB_MODELS:
                self._typed.popitem(last=False)
        return predictor

    def _new_label(self, name: str) -> str:
        """A folder's last name, so that visitors do not see where it lies; a number keeps two of them apart."""
        label = stem = Path(name).resolve().name if Path(name).is_dir() else name
        number = 2
        while label in self.offered:
            label, number = f"{stem} ({number})", number + 1
        return label


def _load(name: str) -> "ClipPredictor":
    from videomem_hf import load_predictor

    check_between_layers()
    return load_predictor(name)


def _check_hub_id(name: str, labels: list[str]) -> None:
    """Refuse what is no small enough model on the Hub. A visitor's text must not reach this machine's files."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    shown = name[:80]
    if not is_hub_id(name) or Path(name).exists():
        offered = f"choose {' or '.join(labels)}, or" if labels else "no model is offered here:"
        raise InputError(f"{shown}: there is no such model; {offered} type a Hub id such as owner/name")
    try:
        files = HfApi().model_info(name, files_metadata=True, timeout=10).siblings or []
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        cause = str(error).strip().split("\n")[0]
        raise InputError(f"{shown}: cannot be fetched from the Hub ({cause[:160]}); check the id") from error
    megabytes = sum(file.size or 0 for file in files if file.rfilename.endswith(".safetensors")) / 1e6
    if not 0 < megabytes <= LARGEST_HUB_MODEL_MB:
        raise InputError(
            f"{shown}: holds {megabytes:.0f} MB of safetensors weights; up to {LARGEST_HUB_MODEL_MB} MB are loaded here"
        )
