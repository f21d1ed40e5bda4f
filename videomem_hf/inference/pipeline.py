"""`transformers.pipeline("video-memorability", ...)`, on top of the same predictors as everything else."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any, Final

import torch
import wrapt
from transformers import AutoModel, AutoVideoProcessor, Pipeline, pipelines

from videomem_hf.inference.claims import write_claims
from videomem_hf.inference.clip_predictor import Titles
from videomem_hf.inference.loading import load_installed_resmem, predictor_of, reads_video
from videomem_hf.inference.sources import each_clip, holds_several_clips
from videomem_hf.model_names import RESMEM, check_model_name, check_not_exported
from videomem_hf.schema import InputError

TASK: Final = "video-memorability"
_CLIPS_OF_A_LIST: Final = 16


class VideoMemorabilityPipeline(Pipeline):
    """Predicts how memorable clips are.

    Call it with one clip, as `videomem_hf.predict` takes it, or with a list, a data set's column, a torch data set or a
    generator of clips. It gives one dictionary per clip, that of `Prediction.to_dict`; for a list a list, for a
    generator or torch data set one after the other as they are known. A single clip that fails raises; among several
    its dictionary has an `error`, and the others go on.

    Args:
        model: A memorability predictor.
        video_processor: Its processor; None takes the one saved beside the model.
        batch_size: Clips whose frames share the network's batches: 1 of a generator or torch data set unless given here
            or in a call, as each result is wanted when it is known; up to 16 of a list.
        num_workers: As of every pipeline; FFmpeg decodes a clip on several threads, whatever it is.
        maps: Whether dictionaries hold the saliency of every sampled frame, as lists.
        title: Of the clips, for a model that reads titles.
        titles: In place of it one per clip, or a mapping from file name to title. A row of a data set has its own.
        **kwargs: As of every pipeline: `device` and so on.
    """

    _load_processor = False
    _load_image_processor = False
    _load_video_processor = False
    _load_feature_extractor = False
    _load_tokenizer = False

    def __init__(self, model: Any, video_processor: Any = None, **kwargs: Any) -> None:
        _check_batch_size(kwargs.get("batch_size"))
        super().__init__(model=model, **kwargs)
        name = getattr(model, "name_or_path", "") or type(model).__name__
        if video_processor is None and reads_video(model):
            video_processor = AutoVideoProcessor.from_pretrained(name)
        self.video_processor = video_processor
        self.predictor = predictor_of(self.model, video_processor, name, str(self.device))

    def __call__(
        self, inputs: Any = None, *, batch_size: int | None = None, num_workers: int | None = None, **kwargs: Any
    ) -> Any:
        """Predict; see the class. `videos` is another name of `inputs`."""
        inputs = kwargs.pop("videos", inputs) if inputs is None else inputs
        if inputs is None:
            raise InputError("the pipeline is given no clip; call it with one, or with a list of them")
        _, forward_params, _ = self._sanitize_parameters(**kwargs)
        forward_params = {**self._forward_params, **forward_params}
        _check_batch_size(batch_size)
        titles = forward_params.get("titles")
        if titles is not None and (forward_params.get("title") is not None or isinstance(titles, str)):
            raise InputError("titles are one per clip, or a mapping from file name to title; title is of all clips")
        if titles is not None and not isinstance(titles, Mapping):  # each group takes the next ones
            forward_params["titles"] = iter(titles)
        if not holds_several_clips(inputs):
            return self.run_single([inputs], {}, forward_params | {"fail_fast": True}, {})[0]
        is_stream = isinstance(inputs, Iterator | torch.utils.data.Dataset)
        size = batch_size or self._batch_size or (1 if is_stream else _CLIPS_OF_A_LIST)
        results = self._predict_in_groups(inputs, size, forward_params)
        return results if is_stream else list(results)

    def _predict_in_groups(self, inputs: Any, size: int, forward_params: dict[str, Any]) -> Iterator[dict[str, Any]]:
        remaining = each_clip(inputs)
        for first in remaining:  # taken one by one: a generator may use one buffer for all its clips
            group = chain([first], islice(remaining, size - 1))
            yield from self.run_single(group, {}, forward_params, {})

    def _sanitize_parameters(
        self, maps: bool | None = None, title: str | None = None, titles: Titles | None = None, **unknown: Any
    ) -> tuple[dict, dict, dict]:
        if unknown:
            name = next(iter(unknown))
            raise InputError(f"the pipeline takes no {name!r}; it takes maps, title(s), batch_size and num_workers")
        given = {"maps": maps, "title": title, "titles": titles}
        return {}, {name: value for name, value in given.items() if value is not None}, {}

    def preprocess(self, input_: Iterable[Any]) -> dict[str, Any]:
        """Clips are decoded as they are scored, so that a long one needs no memory."""
        return {"sources": input_}

    def _forward(
        self,
        input_tensors: dict[str, Any],
        maps: bool = False,
        title: str | None = None,
        titles: Titles | None = None,
        fail_fast: bool = False,
    ) -> dict[str, Any]:
        sources = input_tensors["sources"]
        titles = titles if title is None else repeat(title)
        with torch.inference_mode(False):  # Grad-CAM needs gradients
            found = self.predictor.predict_many(sources, maps=maps, titles=titles, fail_fast=fail_fast)
            return {"predictions": list(found)}

    def postprocess(self, model_outputs: dict[str, Any]) -> list[dict[str, Any]]:
        """Give plain numbers and strings."""
        return [prediction.to_dict() for prediction in model_outputs["predictions"]]

    def save_pretrained(self, save_directory: str | Path, **kwargs: Any) -> None:
        """Save the model, and beside it the video processor, which prepares frames, and what predictions carry."""
        self.model.save_pretrained(save_directory, **kwargs)
        if self.video_processor is not None:
            self.video_processor.save_pretrained(save_directory)
        write_claims(Path(save_directory), self.predictor.claims)


def _check_batch_size(size: Any) -> None:
    if size is not None and (not isinstance(size, int) or size < 1):
        raise InputError(f"batch_size is {size!r}; it is a number of clips, 1 or more")


def create_pipeline(create: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap `transformers.pipeline`: for our task, no model or "resmem" is ResMem from the package of that name.

    Raises:
        InputError: It is not installed, or there is no such folder; says what to do.
    """
    task = args[0] if args else kwargs.get("task")
    model = args[1] if len(args) > 1 else kwargs.get("model")
    if task == TASK and isinstance(model, str | Path) and model != RESMEM:
        check_model_name(model)
        check_not_exported(model)
    if task != TASK or model not in (None, RESMEM):
        return create(*args, **kwargs)
    resmem, processor = load_installed_resmem()
    dtype = kwargs.pop("dtype", None) or kwargs.pop("torch_dtype", None)
    if dtype not in (None, "auto"):  # which transformers ignores where a model is given
        resmem = resmem.to(getattr(torch, dtype) if isinstance(dtype, str) else dtype)
    kwargs = kwargs | {"task": TASK, "model": resmem, "video_processor": kwargs.get("video_processor") or processor}
    return create(*args[2:], **kwargs)


pipelines.PIPELINE_REGISTRY.register_pipeline(
    TASK, pipeline_class=VideoMemorabilityPipeline, pt_model=AutoModel, type="multimodal"
)
wrapt.wrap_function_wrapper(pipelines, "pipeline", create_pipeline)
