"""The picture of a card: where a model looks in a clip."""

from pathlib import Path
from typing import Final

from videomem_hf.analysis.clip_figure import save_figure
from videomem_hf.hub.model_card import Example
from videomem_hf.inference import Predictor, load_predictor
from videomem_hf.inference.drawing import prediction_figure
from videomem_hf.inference.saliency import GRAD_CAM
from videomem_hf.schema import InputError

STILLS: Final = 5
_OWN: Final = "The colours are the model's own attention: the brighter, the more weight; the peak is 1."
_EXPLAINED: Final = (
    "The model has no attention. The colours are Grad-CAM's explanation of its first score (Selvaraju et al., ICCV "
    "2017), computed afterwards; the peak is 1."
)


def draw_example(model: Path, clip: Path, picture: Path, trust_remote_code: bool = False) -> Example:
    """Predict a clip and draw its frames with the maps over them.

    Args:
        model: Folder of a model that scores frames.
        clip: Is shown in public wherever the card is.
        picture: PNG file to write, beside the card.
        trust_remote_code: Run the Python files in the model's folder.

    Raises:
        InputError: The model has no maps, or the clip cannot be read.
    """
    if not (model / "video_preprocessor_config.json").is_file():
        raise InputError(f"{model}: sees no frames, so there is nothing to show; leave --clip out")
    predictor = load_predictor(str(model), "cpu", trust_remote_code=trust_remote_code)
    if not isinstance(predictor, Predictor) or predictor.saliency_method is None:
        raise InputError(f"{model}: has no maps of where it looks; leave --clip out")
    prediction = predictor.predict(clip, stills=STILLS)
    save_figure(prediction_figure(prediction), picture)
    colours = _EXPLAINED if predictor.saliency_method == GRAD_CAM else _OWN
    text = f"Predicted scores over time, frames, and where in them the score comes from. {colours}"
    return Example(picture.name, f"Frames of {clip.name} with maps of where the model looks", text)
