"""An exported network in ONNX Runtime."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from videomem_hf.inference.onnx.facts import DESCRIBED, ExportFacts
from videomem_hf.model_names import EXPORT_FILE
from videomem_hf.models.export_names import (
    ATTENTIONS,
    CLIP_PART,
    FEATURES,
    FRAME_SCORES,
    INTERVALS,
    MODEL_PART,
    PIXELS,
    TEMPORAL_WEIGHTS,
)
from videomem_hf.models.map_info import MapInfo
from videomem_hf.schema import InputError, short_message
from videomem_hf.system import available_cpus

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


class ModelConfig(SimpleNamespace):
    """The fields of a model's configuration, as those who read the model itself find them."""

    def to_dict(self) -> dict[str, Any]:
        """All fields."""
        return dict(vars(self))


class OnnxNetwork:
    """The parts of an exported model, with the attributes of a model that predictors read.

    Args:
        folder: What `videomem export` wrote.
        facts: Its `export.json`.
        threads: Of the runtime; None takes the available CPUs.

    Raises:
        InputError: ONNX Runtime is not installed, or cannot load a file.
    """

    def __init__(self, folder: Path, facts: ExportFacts, threads: int | None = None) -> None:
        self.folder, self.facts = folder, facts
        self.config = ModelConfig(**facts.config)
        self.threads = threads or available_cpus()
        outputs = facts.outputs(MODEL_PART)
        self.has_attention = ATTENTIONS in outputs
        self.keeps_features = CLIP_PART in facts.parts
        self.weighs_frames = TEMPORAL_WEIGHTS in facts.outputs(CLIP_PART)
        self.gives_intervals = INTERVALS in facts.outputs(CLIP_PART)
        self.map_info = MapInfo(**facts.maps) if facts.maps else None
        self._described = [name for name in outputs if name.startswith(DESCRIBED)]
        self._sessions = {
            name: _session(folder / part["file"], self.threads, facts.quantized) for name, part in facts.parts.items()
        }
        for name, session in self._sessions.items():
            _check_tensors(folder, facts.parts[name], session)
            _check_model(folder / facts.parts[name]["file"], facts, session)

    def run(self, part: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Give all outputs of a part by their names."""
        wanted = list(self.facts.outputs(part))
        try:
            found = self._sessions[part].run(wanted, inputs)
        except Exception as error:  # the runtime's errors have no common class
            shapes = ", ".join(f"{name} {each.shape}" for name, each in inputs.items())
            raise InputError(
                f"{self.folder / self.facts.parts[part]['file']}: cannot compute with {shapes} ({short_message(error)})"
                "; export the model again"
            ) from None
        return dict(zip(wanted, found, strict=True))

    def score_segments(self, pixels: np.ndarray) -> "SegmentOutputs":
        """Score segments `(n, frames, 3, height, width)` float32, each for itself."""
        found = self.run(MODEL_PART, {PIXELS: pixels})
        rows = found[FEATURES if self.keeps_features else FRAME_SCORES][:, 0]
        maps = found[ATTENTIONS][:, 0] if self.has_attention else None
        groups = {name.removeprefix(DESCRIBED): found[name][:, 0] for name in self._described}
        return SegmentOutputs(rows.astype(np.float64), maps, groups)

    def score_features(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Give the outputs for a clip, without the batch axis, by the features `(frames, size)` of its frames."""
        found = self.run(CLIP_PART, {FEATURES: rows[None].astype(np.float32)})
        return {name: values[0].astype(np.float64) for name, values in found.items()}


class SegmentOutputs:
    """What a network gives for n segments: `rows` `(n, size)`; `maps` `(n, height, width)` or None; and `groups`."""

    def __init__(self, rows: np.ndarray, maps: np.ndarray | None, groups: dict[str, np.ndarray]) -> None:
        self.rows, self.maps, self.groups = rows, maps, groups


def _check_tensors(folder: Path, part: dict[str, Any], session: "InferenceSession") -> None:
    """Raise an InputError for a graph that does not take and give what `export.json` says."""
    for kind, tensors in (("inputs", session.get_inputs()), ("outputs", session.get_outputs())):
        have, said = {each.name: each.shape for each in tensors}, part[kind]
        if have.keys() != said.keys() or not all(_fits(have[name], axes) for name, axes in said.items()):
            found, expected = (", ".join(f"{n} {shape}" for n, shape in each.items()) for each in (have, said))
            raise InputError(
                f"{folder / part['file']}: has the {kind} {found}, and {EXPORT_FILE} says {expected}; export the model "
                "again"
            )


def _fits(shape: list[Any] | None, axes: list[str | int]) -> bool:
    """Whether the axes of a graph's tensor, as far as they are numbers, are those that are said."""
    pairs = zip(shape or axes, axes, strict=False)
    return all(a == b for a, b in pairs if isinstance(a, int) and isinstance(b, int))


def _check_model(path: Path, facts: ExportFacts, session: "InferenceSession") -> None:
    """Raise an InputError for a graph that is, by its metadata, of another model than `export.json` says."""
    own = session.get_modelmeta().custom_metadata_map
    own |= {name: json.loads(own[name]) for name in ("horizons", "processor", "maps") if name in own}
    said = {"horizons": facts.config["horizons"]} | {n: getattr(facts, n) for n in ("version", "processor", "maps")}
    if differ := [name for name, value in said.items() if own.get(name, value) != value]:
        raise InputError(
            f"{path}: is, by its {' and '.join(differ)}, of another model than {EXPORT_FILE} beside it says; export "
            "the model again"
        )


def _session(path: Path, threads: int, quantized: bool) -> "InferenceSession":
    try:
        import onnxruntime
    except ImportError as error:
        raise InputError(
            f"exported models need ONNX Runtime, which cannot be imported ({short_message(error)}); "
            "pip install onnxruntime"
        ) from None
    options: Any = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    if not quantized:  # weights that are only stored in 8 bits become float32 once, rather than in each run
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    # Weights stay in the file that they are mapped from: the start is faster by far, and runs are hardly slower.
    options.add_session_config_entry("session.disable_prepacking", "1")
    # Threads that wait leave the CPU to those that decode.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's errors have no common class
        raise InputError(f"{path}: cannot be loaded ({short_message(error)}); export the model again") from None
