"""From the folder of an exported model to the predictor that it makes."""

import os
from pathlib import Path
from typing import Any

from videomem_hf.inference.claims import Claims
from videomem_hf.inference.clip_predictor import ClipPredictor
from videomem_hf.inference.frame_noise import FrameNoise
from videomem_hf.inference.onnx.facts import ExportFacts, damage_told
from videomem_hf.inference.onnx.network import OnnxNetwork
from videomem_hf.inference.onnx.predictor import OnnxPredictor
from videomem_hf.inference.onnx.processing import FrameProcessor
from videomem_hf.inference.reference import parse_reference
from videomem_hf.inference.typicality import Typicality
from videomem_hf.model_names import EXPORT_FILE
from videomem_hf.run_files import REFERENCE_FILE, TYPICALITY_FILE


def load_onnx_predictor(
    folder: str | os.PathLike[str], title: str | None = None, threads: int | None = None
) -> ClipPredictor:
    """Load what `videomem export` wrote; for models of frames neither PyTorch nor transformers is imported.

    Args:
        folder: The exported model.
        title: As of `load_predictor`.
        threads: Of ONNX Runtime; None takes the available CPUs.

    Raises:
        InputError: The folder holds no exported model, is damaged, or ONNX Runtime is not installed.
    """
    path = Path(folder)
    facts = ExportFacts.read(path)
    with damage_told(path / EXPORT_FILE):
        network: Any = OnnxNetwork(path, facts, threads)
        claims = read_export_claims(path, facts)
        if facts.processor:
            processor = FrameProcessor.of(facts.processor)
            return OnnxPredictor(network, processor, facts.model, "cpu", claims, title)
        from videomem_hf.inference.onnx.columns import OnnxFeaturePredictor, OnnxViewPredictor

        reads_views = hasattr(network.config, "view_names")
        return (OnnxViewPredictor if reads_views else OnnxFeaturePredictor)(network, facts.model, "cpu", claims, title)


def read_export_claims(folder: Path, facts: ExportFacts) -> Claims:
    """What predictions of an exported model carry besides scores."""
    reference, typicality = folder / REFERENCE_FILE, folder / TYPICALITY_FILE
    return Claims(
        parse_reference(reference) if reference.is_file() else None,
        facts.caveats,
        Typicality.load(typicality) if typicality.is_file() else None,
        facts.version,
        {horizon: FrameNoise(**noise) for horizon, noise in facts.frame_noise.items()},
    )
