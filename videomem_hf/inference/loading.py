"""From the name of a model to the predictor that it makes: of frames, of features or of views."""

from typing import Any

from videomem_hf.devices import usable_device
from videomem_hf.inference.claims import read_claims
from videomem_hf.inference.clip_predictor import ClipPredictor
from videomem_hf.inference.feature_predictor import FeaturePredictor
from videomem_hf.inference.network import for_inference
from videomem_hf.inference.predictor import Predictor
from videomem_hf.inference.view_predictor import ViewPredictor
from videomem_hf.model_names import NO_MODEL, RESMEM, check_model_name, check_not_exported, check_on_hub
from videomem_hf.models.folders import load_model
from videomem_hf.schema import PRECISION_NAMES, InputError, short_message


def load_predictor(
    model: str | None = None,
    device: str | None = None,
    title: str | None = None,
    trust_remote_code: bool = False,
    precision: str = "auto",
) -> ClipPredictor:
    """Load a predictor. A predictor of features extracts them from clips.

    Args:
        model: A folder written by `save_pretrained`, a Hub id, or "resmem" for the weights in the `resmem` package;
            None takes "resmem".
        device: See `Predictor`.
        title: Title of clips for which no title is given, for a model that reads titles.
        trust_remote_code: Whether to run the Python files in the model's folder, for a model type that is not
            registered.
        precision: Number format of the network, "float32", "bfloat16" or "float16", also as "bf16" and so on; see
            `for_inference`. "auto" keeps the model's, but takes bfloat16 on a GPU that supports it. bfloat16 changes
            scores by up to .005.

    Returns:
        A predictor whose network was prepared by `for_inference`: it cannot be trained or saved.

    Raises:
        InputError: There is no such model, it is not a memorability predictor, or it needs features that cannot be
            extracted here; the message says what to do.
    """
    device, precision = usable_device(device), PRECISION_NAMES.get(precision, precision)
    network, processor = load_network(model, trust_remote_code)
    if reads_video(network):
        network = for_inference(network, device, precision)
    elif precision not in ("auto", "float32"):
        raise InputError(f"precision {precision}: {model} reads features, which are taken in float32; leave it out")
    return predictor_of(network, processor, RESMEM if model is None else str(model), device, title)


def load_network(model: str | None = None, trust_remote_code: bool = False) -> tuple[Any, Any]:
    """Load a memorability model and its video processor, None for a model of features; arguments as `load_predictor`.

    Raises:
        InputError: There is no such model, or it is not a memorability predictor; says what to do.
    """
    if model in (None, RESMEM):
        return load_installed_resmem()
    check_model_name(str(model))
    check_not_exported(str(model))
    check_on_hub(str(model), "model")
    network, processor = _from_pretrained(str(model), trust_remote_code)
    _check_predicts(network, str(model))
    return network, processor


def load_installed_resmem() -> tuple[Any, Any]:
    """Load ResMem and its video processor from the `resmem` package.

    Raises:
        InputError: It is not installed; says what to do.
    """
    from videomem_hf.models.convert_resmem import find_resmem_package, load_resmem

    if find_resmem_package() is None:
        raise InputError(NO_MODEL)
    return load_resmem()


def _from_pretrained(name: str, trust_remote_code: bool) -> tuple[Any, Any]:
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError
    from transformers import AutoVideoProcessor

    try:
        model, found = load_model(name, trust_remote_code=trust_remote_code, output_loading_info=True)
        if missing := sorted(found["missing_keys"]):  # transformers would fill them with random numbers
            raise ValueError(f"the weights lack {missing[0]}, {len(missing)} missing in all")
        processor = (
            AutoVideoProcessor.from_pretrained(name, trust_remote_code=trust_remote_code)
            if reads_video(model)
            else None
        )
    except (OSError, ValueError, RuntimeError, SafetensorError, StrictDataclassError) as error:
        if "trust_remote_code" in str(error):
            raise InputError(
                f"{name}: comes with code of its own; name the file that registers the predictor with --import FILE, "
                "or, if you trust the files in it, say --trust-remote-code"
            ) from error
        raise InputError(
            f"{name}: no model can be loaded from it ({short_message(_cause(error))}); give a folder or a Hub id"
        ) from error
    return model, processor


def _cause(error: BaseException) -> BaseException:
    """What is wrong with a field of a configuration, in place of the check's name."""
    from huggingface_hub.errors import StrictDataclassError

    return error.__cause__ if isinstance(error, StrictDataclassError) and error.__cause__ else error


def reads_video(model: Any) -> bool:
    """Whether a model takes frames, and so has a video processor; else it takes features."""
    return getattr(model, "main_input_name", "") == "pixel_values_videos"


def reads_views(model: Any) -> bool:
    """Whether a model takes several views of a clip."""
    return hasattr(model.config, "view_names")


def predictor_of(
    model: Any, processor: Any, name: str, device: str | None = None, title: str | None = None
) -> ClipPredictor:
    """Make a predictor of a loaded model.

    Args:
        model: A memorability predictor.
        processor: Its video processor; None for a model of features.
        name: Name of the model in the predictions; a folder or Hub id has what they are measured against, see
            `read_claims`.
        device: See `Predictor`.
        title: As in `load_predictor`.

    Raises:
        InputError: The model predicts no memorability, or needs features that cannot be extracted here.
    """
    device = usable_device(device)
    _check_predicts(model, name)
    if reads_views(model):
        return ViewPredictor(model, name, device, read_claims(name, model), title)
    claims = read_claims(name, model)
    if not reads_video(model):
        return FeaturePredictor(model, name, device, claims, title)
    return Predictor(model, processor, name, device, claims, title)


def _check_predicts(model: Any, name: str) -> None:
    if getattr(model, "main_input_name", "") == "frame_maps":
        raise InputError(f"{name}: has no backbone and is given maps by your own code; give a model that has one")
    if not getattr(model.config, "horizons", None):
        kind = type(model).__name__
        raise InputError(f"{name}: holds a {kind}, which predicts no memorability; give a predictor of this package")
