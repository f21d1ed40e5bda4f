"""What lies beside an exported network: what it was, what it takes and gives, and how it was checked."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from videomem_hf.model_names import EXPORT_FILE
from videomem_hf.models.export_names import CLIP_PART, FEATURES, MODEL_PART, SCORES
from videomem_hf.schema import Horizon, InputError, short_message
from videomem_hf.system import atomic_write, quantity

FORMAT: Final = 1
"""Of the file; a reader refuses a higher one."""
DESCRIBED: Final = "typicality/"
"""Begins the names of outputs that describe frames for the model's typicality."""


@dataclass(frozen=True)
class ExportFacts:
    """The content of `export.json`.

    Attributes:
        model, version, caveats: Name of the model, first digits of a hash of its weights, and what is true of all its
            predictions: as of `Prediction`.
        architecture: Class of the model.
        config: Its configuration.
        parts: Name ("model", and "clip" of a model that weighs frames) to `file`, `inputs` and `outputs`, the axes of
            each tensor by its name; an axis with a name may have any size.
        dtype: Number format of the weights.
        quantized: Whether the network also computes in it; else all arithmetic is float32.
        opset: Version of ONNX's operators.
        processor: Settings of the video processor; empty for a model of features.
        maps: `stride`, `window` and `channels` of the attention maps, see `MapInfo`; empty without any.
        frame_noise: For each horizon `sd` and `correlation` of frame scores, see `FrameNoise`.
        checks: What was measured against PyTorch when the network was exported.
        made_with: Versions of the packages.
    """

    model: str
    version: str
    architecture: str
    config: dict[str, Any]
    parts: dict[str, dict[str, Any]]
    dtype: str
    opset: int
    caveats: tuple[str, ...] = ()
    processor: dict[str, Any] = field(default_factory=dict)
    maps: dict[str, Any] = field(default_factory=dict)
    frame_noise: dict[Horizon, dict[str, float]] = field(default_factory=dict)
    checks: dict[str, Any] = field(default_factory=dict)
    made_with: dict[str, str] = field(default_factory=dict)
    quantized: bool = False
    format: int = FORMAT

    def write(self, folder: Path) -> None:
        """Write the file into a folder."""
        with atomic_write(folder / EXPORT_FILE) as path:
            path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "ExportFacts":
        """Read the file of a folder.

        Raises:
            InputError: There is none, it is damaged, or a later version wrote it.
        """
        path = folder / EXPORT_FILE
        if not path.is_file():
            raise InputError(
                f"{folder}: holds no {EXPORT_FILE}, so it is no exported model; export one with "
                f"`videomem export {folder} --onnx OUT`"
            )
        with damage_told(path):
            content = json.loads(path.read_text(encoding="utf-8"))
            known = {name: content[name] for name in cls.__dataclass_fields__ if name in content}
            if content["format"] > FORMAT:
                raise InputError(f"{path}: was written by a later version of videomem_hf; update this one")
            facts = cls(**(known | {"caveats": tuple(known["caveats"])}))
            for part in facts.parts.values():
                if not (folder / part["file"]).is_file():
                    raise InputError(f"{folder}: lacks {part['file']}; export the model again")
            if isinstance(known["caveats"], str) or not all(isinstance(each, str) for each in facts.caveats):
                raise ValueError("caveats must be a list of texts")
            if (FEATURES in facts.outputs(MODEL_PART)) != (CLIP_PART in facts.parts):
                raise ValueError(f"a part {CLIP_PART!r} and the output {FEATURES!r} belong together")
            scores, horizons = facts.parts[MODEL_PART]["outputs"][SCORES][-1], len(facts.config["horizons"])
            if scores != horizons:
                raise ValueError(f"{quantity(horizons, 'horizon')}, and {scores} scores of a clip")
        return facts

    def outputs(self, part: str) -> Mapping[str, Any]:
        """Name to axes of what a part gives; empty without such a part."""
        return self.parts.get(part, {}).get("outputs", {})


@contextmanager
def damage_told(path: Path) -> Iterator[None]:
    """Raise an InputError about a file in place of what reading its content raises."""
    try:
        yield
    except InputError:
        raise
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path}: is damaged ({short_message(error)}); export the model again") from None
