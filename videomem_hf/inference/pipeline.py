"""`transformers.pipeline("video-memorability", ...)`, on top of the same predictors as everything else."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

import torch
from transformers import AutoVideoProcessor, Pipeline

from videomem_hf.inference.loading import predictor_of, reads_video

TASK: Final = "video-memorability"


class VideoMemorabilityPipeline(Pipeline):
    """Predicts how memorable clips are.

    Call it with a path, the bytes of a video file, an open binary file, frames `(frames, height, width, 3)` uint8 RGB,
    or a list or generator of those. It gives a dictionary a clip, that of `Prediction.to_dict`; for a list a list, for
    a generator or data set one after the other as they are known.

    Args:
        model: A memorability predictor.
        video_processor: Its processor; None takes the one saved beside the model.
        batch_size: Clips whose frames share the network's batches; 1 unless given here or in a call.
        maps: Whether dictionaries hold the saliency of every sampled frame, as lists.
        **kwargs: As of every pipeline: `device` and so on.
    """

    _load_processor = False
    _load_image_processor = False
    _load_video_processor = False
    _load_feature_extractor = False
    _load_tokenizer = False

    def __init__(self, model: Any, video_processor: Any = None, **kwargs: Any) -> None:
        super().__init__(model=model, **kwargs)
        name = getattr(model, "name_or_path", "") or type(model).__name__
        if video_processor is None and reads_video(model):
            video_processor = AutoVideoProcessor.from_pretrained(name)
        self.video_processor = video_processor
        self.predictor = predictor_of(self.model, video_processor, name, str(self.device))

    def __call__(self, inputs: Any, *, batch_size: int | None = None, **kwargs: Any) -> Any:
        """Predict; see the class."""
        _, forward_params, _ = self._sanitize_parameters(**kwargs)
        forward_params = {**self._forward_params, **forward_params}
        size = batch_size or self._batch_size or 1
        if isinstance(inputs, list | tuple):
            return list(self._in_groups(inputs, size, forward_params))
        if isinstance(inputs, Iterator | torch.utils.data.Dataset):
            sources = inputs if isinstance(inputs, Iterator) else (inputs[i] for i in range(len(inputs)))  # type: ignore[arg-type]
            return self._in_groups(sources, size, forward_params)
        return next(self._in_groups([inputs], size, forward_params))

    def _in_groups(self, sources: Iterable[Any], size: int, forward_params: dict[str, Any]) -> Iterator[dict[str, Any]]:
        remaining = iter(sources)
        while group := list(islice(remaining, size)):
            yield from self.run_single(group, {}, forward_params, {})

    def _sanitize_parameters(self, maps: bool | None = None) -> tuple[dict, dict, dict]:
        return {}, {} if maps is None else {"maps": maps}, {}

    def preprocess(self, input_: list[Any]) -> dict[str, Any]:
        """Clips are decoded as they are scored, so that a long one needs no memory."""
        return {"sources": input_}

    def _forward(self, input_tensors: dict[str, Any], maps: bool = False) -> dict[str, Any]:
        with torch.inference_mode(False):  # Grad-CAM needs gradients
            return {"predictions": list(self.predictor.predict_many(input_tensors["sources"], maps=maps))}

    def postprocess(self, model_outputs: dict[str, Any]) -> list[dict[str, Any]]:
        """Give plain numbers and strings."""
        return [prediction.to_dict() for prediction in model_outputs["predictions"]]

    def save_pretrained(self, save_directory: str | Path, **kwargs: Any) -> None:
        """Save the model, and beside it the video processor, without which frames cannot be prepared."""
        self.model.save_pretrained(save_directory, **kwargs)
        if self.video_processor is not None:
            self.video_processor.save_pretrained(save_directory)
