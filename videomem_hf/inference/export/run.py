"""From a model to a folder with its ONNX networks, checked against PyTorch."""

import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, get_args

import numpy as np
import torch

from videomem_hf import __version__
from videomem_hf.inference.claims import UNMEASURED, Claims, read_claims, write_claims
from videomem_hf.inference.export.checks import (
    CALIBRATION_CLIPS,
    SAMPLE_CLIPS,
    largest_difference,
    random_columns,
    sample_frames,
)
from videomem_hf.inference.export.graph import OPSET, part_to_onnx, with_descriptions
from videomem_hf.inference.export.reduction import Reduced, Reduction
from videomem_hf.inference.export.weights import LEAST_NUMBERS
from videomem_hf.inference.loading import load_network, reads_video
from videomem_hf.inference.network import for_inference
from videomem_hf.inference.onnx.facts import ExportFacts
from videomem_hf.inference.onnx.network import OnnxNetwork
from videomem_hf.inference.onnx.processing import FrameProcessor
from videomem_hf.model_names import RESMEM
from videomem_hf.models.export_names import MODEL_PART, PIXELS
from videomem_hf.models.exporting import ExportPart
from videomem_hf.schema import ExportDtype, InputError
from videomem_hf.system import os_cause
from videomem_hf.video.sources import process

DTYPES: Final = get_args(ExportDtype)
_PACKAGES: Final = ("onnx", "onnxscript", "onnxruntime")
LARGEST_FILE: Final = 64_000_000
"""Bytes of a graph above which its weights lie in a file of their own."""
Say = Callable[[str], None]


def export_onnx(
    model: str | None,
    out: Path,
    dtype: str = "float32",
    trust_remote_code: bool = False,
    say: Say = lambda text: None,
) -> ExportFacts:
    """Write a predictor as ONNX, with what its predictions are measured against.

    Args:
        model: As of `load_predictor`.
        out: Folder; new or empty.
        dtype: Number format of the weights: "float32", "float16" or "int8".
        trust_remote_code: As of `load_predictor`.
        say: Called with what is being done.

    Returns:
        The content of its `export.json`.

    Raises:
        InputError: There is no such model, the folder is not empty, a package is missing, or the exported network does
            not give what PyTorch gives; nothing is written then.
    """
    check_export(out, dtype)
    say("loading the model")
    network, processor = load_network(model, trust_remote_code)
    name = RESMEM if model is None else str(model)
    if dtype != "float32" and getattr(network, "stays_float32", False):
        raise InputError(f"{name}: {type(network).__name__} stays float32, and is small; leave --dtype out")
    claims = _exportable(read_claims(name, network), processor)
    export = _Export(for_inference(network.float(), "cpu", "float32"), processor, name, claims, say)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as folder:
            written = Path(folder) / "model"
            written.mkdir()
            facts = export.write(written, dtype)
            if out.exists():
                out.rmdir()
            written.rename(out)
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({os_cause(error)}); name another folder") from None
    return facts


def check_export(out: Path, dtype: str) -> None:
    """Refuse at once what would fail after minutes."""
    if dtype not in DTYPES:
        raise InputError(f"dtype is {dtype!r}; it must be one of {', '.join(DTYPES)}")
    if missing := [name for name in _PACKAGES if find_spec(name) is None]:
        raise InputError(f"an export needs {', '.join(missing)}; pip install 'videomem_hf[onnx]'")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: exists and is not an empty folder; name another")


@dataclass(frozen=True)
class _Export:
    """A loaded model on its way to a folder."""

    model: Any
    processor: Any
    name: str
    claims: Claims
    say: Say

    def write(self, folder: Path, dtype: str) -> ExportFacts:
        """Write all files and check them; the graphs with fewer bits are compared with those in float32."""
        pixels = self._pixels(2, 2) if reads_video(self.model) else None
        parts = self._parts(pixels)
        facts, protos = self._facts("float32"), {}
        for part in parts:
            self.say(f"tracing the network ({part.name})")
            protos[part.name], outputs = part_to_onnx(part)
            inputs = {name: list(axes) for name, axes in part.axes.items()}
            facts.parts[part.name] = {"file": f"{part.name}.onnx", "inputs": inputs, "outputs": outputs}
        full = self._save_all(folder, protos, facts, one_file=dtype != "float32")
        self.say("comparing it with PyTorch")
        sample = None if pixels is None else pixels.numpy()
        worst = max(largest_difference(part, full, sample) for part in parts)
        checks: dict[str, Any] = {"largest_difference_from_pytorch": worst}
        if dtype != "float32":
            reduced = self._reduce(protos, folder, replace(self._facts(dtype), parts=facts.parts), full)
            checks |= {"rank_correlation_with_float32": reduced.agreement, "clips": SAMPLE_CLIPS}
            caveats = (*reduced.facts.caveats, _of_reduced(reduced.facts, reduced.agreement))
            facts = replace(reduced.facts, caveats=caveats)
            self._save_all(folder, reduced.protos, facts)
        facts = replace(facts, checks=checks)
        write_claims(folder, self.claims)
        facts.write(folder)
        return facts

    def _reduce(self, protos: dict[str, Any], folder: Path, facts: ExportFacts, full: OnnxNetwork) -> Reduced:
        """Bring the graphs to fewer bits: in int8 a network of frames also computes, unless that changes ranks."""
        save = partial(self._save_all, folder)
        reduction = Reduction(protos, facts, full, self._compared(full), save, self.say)
        if facts.dtype == "int8" and self.processor is not None:
            self.say(f"quantising it on {CALIBRATION_CLIPS} generated clips")
            of_clips = self._pixels(CALIBRATION_CLIPS, 1, first=SAMPLE_CLIPS + 1).numpy()
            if found := reduction.computes([{PIXELS: each[None]} for each in of_clips]):
                return found
            self.say("so weights alone are stored in int8")
        return reduction.stored()

    def _save_all(
        self, folder: Path, protos: dict[str, Any], facts: ExportFacts, one_file: bool = False
    ) -> OnnxNetwork:
        """Write the graphs, and load them."""
        for name, proto in protos.items():
            _save(proto, folder / f"{name}.onnx", facts, one_file)
        return OnnxNetwork(folder, facts)

    def _parts(self, pixels: torch.Tensor | None) -> list[ExportPart]:
        with torch.no_grad():
            parts = list(self.model.export_parts(pixels))
        if self.claims.typicality is not None and pixels is not None:
            parts[0] = with_descriptions(parts[0], self.model)
        return parts

    def _compared(self, full: OnnxNetwork) -> dict[str, np.ndarray]:
        """What the ranks of two networks are compared on."""
        if self.processor is None:
            return random_columns(full.facts.parts[MODEL_PART]["inputs"])
        return {PIXELS: self._pixels(SAMPLE_CLIPS, 1).numpy()}

    def _pixels(self, clips: int, segments: int, first: int = 1) -> torch.Tensor:
        """Sample frames as the network takes them, `(clips, frames, 3, height, width)`."""
        length = self.processor.segment_length
        frames = sample_frames(clips * segments, length, first)
        pixels = process(self.processor, frames, (), return_tensors="pt")
        return pixels.unflatten(0, (clips, segments * length))

    def _facts(self, dtype: str) -> ExportFacts:
        model, claims = self.model, self.claims
        attends = bool(getattr(model, "has_attention", False) and model.map_info)
        return ExportFacts(
            model=self.name,
            version=claims.version if dtype == "float32" else f"{claims.version}-{dtype}",
            architecture=type(model).__name__,
            config=json.loads(model.config.to_json_string(use_diff=False)),
            parts={},
            dtype=dtype,
            opset=OPSET,
            caveats=claims.caveats,
            processor=_settings(self.processor) if self.processor else {},
            maps=asdict(model.map_info) if attends else {},
            frame_noise={horizon: asdict(noise) for horizon, noise in claims.frame_noise.items()},
            made_with={"videomem_hf": __version__, **{each: version(each) for each in ("torch", *_PACKAGES)}},
        )


def _exportable(claims: Claims, processor: Any) -> Claims:
    """Without typicality for a processor whose frames have several sizes: a graph describes frames of one size."""
    several = processor is not None and not processor.do_center_crop and dict(processor.size).get("shortest_edge")
    if claims.typicality is None or not several:
        return claims
    return replace(claims, typicality=None, caveats=(*claims.caveats, UNMEASURED))


def _of_reduced(facts: ExportFacts, correlation: float) -> str:
    floored = np.floor(correlation * 1e4) / 1e4
    ranks = f"of {SAMPLE_CLIPS} generated clips its ranks agree with float32 by {floored:.4f}."
    if facts.quantized:
        return f"Computes in {facts.dtype}, quantised on {CALIBRATION_CLIPS} generated clips: on another set {ranks}"
    return f"Weights stored as {facts.dtype}: on a set {ranks}"


def _settings(processor: Any) -> dict[str, Any]:
    """What of a video processor an engine needs, as plain values."""
    settings = asdict(FrameProcessor.of({name: getattr(processor, name) for name in _FIELDS} | _sizes(processor)))
    return json.loads(json.dumps(settings, default=float))


_FIELDS: Final = tuple(name for name in FrameProcessor.__dataclass_fields__ if name not in ("size", "crop_size"))


def _sizes(processor: Any) -> dict[str, dict[str, int | None]]:
    return {name: dict(getattr(processor, name) or {}) for name in ("size", "crop_size")}


def _save(proto: Any, path: Path, facts: ExportFacts, one_file: bool = False) -> None:
    """Write a graph with what it is of in its metadata, for those who have the file alone.

    The weights of a large one lie beside it unless `one_file` is set, and `proto` then refers to them: engines map that
    file into memory, and start in a fifth of the time.
    """
    import onnx

    del proto.metadata_props[:]
    named = {
        "producer": f"videomem_hf {__version__}",
        "model": facts.model,
        "version": facts.version,
        "architecture": facts.architecture,
        "horizons": json.dumps(list(facts.config["horizons"])),
        "processor": json.dumps(facts.processor),
        "maps": json.dumps(facts.maps),
        "caveats": json.dumps(list(facts.caveats)),
        "dtype": facts.dtype,
    }
    for key, value in named.items():
        proto.metadata_props.add(key=key, value=value)
    if one_file or proto.ByteSize() <= LARGEST_FILE:
        path.write_bytes(proto.SerializeToString())
        return
    weights = f"{path.name}.data"
    path.with_name(weights).unlink(missing_ok=True)  # it would be appended to
    onnx.save_model(proto, path, save_as_external_data=True, location=weights, size_threshold=LEAST_NUMBERS)
    path.with_name(weights).chmod(path.stat().st_mode & 0o777)  # it is its owner's alone otherwise
