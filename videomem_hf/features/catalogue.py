"""The features by the names that `--features` takes."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import numpy as np

from videomem_hf.data.feature_files.orb import Keypoints
from videomem_hf.schema import InputError

from .c3d import C3DSpec
from .clips import Picture
from .color_histogram import color_histogram
from .concepts import ConceptsSpec
from .encoders import EncoderSpec, Library
from .grey import Bits, Order
from .hmp_spec import HmpSpec
from .hog import hog, hog_value_shares
from .inceptionv3 import InceptionV3Spec
from .lbp import lbp
from .orb import Descriptors, orb, orb_npz, orb_pickle
from .packaged import PACKAGED, packaged_spec
from .release_text import format_digits, format_histogram, format_lbp, format_numbers
from .spec import WHOLE, FeatureSpec, FrameSpec, folder_name, frame_endings
from .titles import TitleSpec

RELEASED: Final = ("hmp", "lbp", "hog", "colorhistogram", "orb", "inceptionv3", "c3d")
"""The release's features that can be computed, with its quirks."""
CLASSICAL: Final = RELEASED[:5]
"""Those that need no network."""
CORRECTED: Final = (
    "hmp-paper", "lbp-corrected", "hog-corrected", "colorhistogram-corrected", "orb-corrected", "inceptionv3-corrected",
)  # fmt: skip
"""The same without the quirks."""
OTHERS: Final = ("lbp-opencv3", "c3d-fc6")
MODELS: Final = ("hf", "hf-frames", "timm", "timm-frames", "title", "concepts")
"""Kinds of features of any model, written `KIND:MODEL`."""


def feature_spec(name: str, c3d: str | None = None, inceptionv3: str | None = None) -> FeatureSpec:
    """Give the spec of a feature.

    Args:
        name: One of `RELEASED`, `CORRECTED`, `OTHERS` or `PACKAGED` in any case, or one of `MODELS`, a colon
            and a model.
        c3d: Folder of a converted C3D model; by default what `VIDEOMEM_C3D` names.
        inceptionv3: Weights of torchvision's network; by default what `VIDEOMEM_INCEPTIONV3` names, or torchvision's.

    Raises:
        InputError: There is no such feature, or it cannot be computed.
    """
    kind, colon, model = name.partition(":")
    if colon:
        return _of_model(kind.lower(), model)
    key = kind.strip().lower()
    if key.startswith("aesthetic"):
        raise InputError(
            "aesthetics cannot be computed from a clip: how the released numbers were made is not known; they are read "
            "from the release only"
        )
    if key in _FRAME_SPECS:
        return _FRAME_SPECS[key]
    if key in PACKAGED:
        return packaged_spec(key)
    makers: dict[str, Callable[[], FeatureSpec]] = {
        "hmp": partial(HmpSpec, key, "HMP", WHOLE, variant="released"),
        "hmp-paper": partial(HmpSpec, key, "hmp-paper", WHOLE, variant="paper"),
        "c3d": partial(C3DSpec, key, "C3D", WHOLE, model=c3d),
        "c3d-fc6": partial(C3DSpec, key, "c3d-fc6", WHOLE, output="fc6", model=c3d),
        "inceptionv3": partial(InceptionV3Spec, key, "InceptionV3", frame_endings(), weights=inceptionv3),
        "inceptionv3-corrected": partial(
            InceptionV3Spec, key, "inceptionv3-corrected", frame_endings(), proper=True, weights=inceptionv3
        ),
    }
    if key not in makers:
        names = ", ".join((*RELEASED, *CORRECTED, *OTHERS, *PACKAGED, *(f"{kind}:MODEL" for kind in MODELS)))
        raise InputError(f"no feature is called {name!r}; there are {names}")
    return makers[key]()


def feature_specs(names: Sequence[str], c3d: str | None = None, inceptionv3: str | None = None) -> list[FeatureSpec]:
    """Give the specs of several features, as `check_specs`; see `feature_spec` for the arguments.

    Raises:
        InputError: As `feature_spec` and `check_specs`.
    """
    return check_specs([feature_spec(name, c3d, inceptionv3) for name in names])


def check_specs(given: Sequence[FeatureSpec]) -> list[FeatureSpec]:
    """Give specs each once, when what they need is there.

    Raises:
        InputError: There is none, a library or a model is missing, or two would write to one folder.
    """
    if not given:
        raise InputError(f"no feature is named; there are {', '.join((*RELEASED, *CORRECTED))} and others")
    found = {made.name: made for made in given}
    folders: dict[str, str] = {}
    for made in found.values():
        if (other := folders.setdefault(made.folder.lower(), made.name)) != made.name:
            raise InputError(f"{other} and {made.name} would both be written to {made.folder}; extract them apart")
        made.check()
    return list(found.values())


def spec_of_column(column: str) -> FeatureSpec:
    """Give the spec whose files a data set's column holds.

    Raises:
        InputError: The column is none that can be computed from a clip by its name alone.
    """
    kind, dash, model = column.partition("-")
    if dash and kind in MODELS:
        frames = model.startswith("frames-") and f"{kind}-frames" in MODELS
        name = f"{kind}-frames:{model.removeprefix('frames-')}" if frames else f"{kind}:{model}"
        return feature_spec(name.replace("--", "/"))
    return feature_spec(column)


def _of_model(kind: str, model: str) -> FeatureSpec:
    if kind not in MODELS:
        raise InputError(f"no kind of feature is called {kind!r}; there are {', '.join(MODELS)}")
    name, folder = f"{kind}:{model}", folder_name(kind, model)
    if kind == "title":
        return TitleSpec(name, folder, WHOLE, model)
    if kind == "concepts":
        return ConceptsSpec(name, folder_name(kind, model.partition("@")[0]), WHOLE, model)
    single = kind.endswith("-frames")
    library: Library = "timm" if kind.startswith("timm") else "hf"
    return EncoderSpec(name, folder, frame_endings() if single else WHOLE, library, model, single)


def _lbp(order: Order, bits: Bits, picture: Picture) -> np.ndarray:
    return lbp(picture.grey(order, bits))


def _hog(order: Order, describe: Callable[[np.ndarray], np.ndarray], picture: Picture) -> np.ndarray:
    return describe(picture.grey(order))


def _colors(order: Order, picture: Picture) -> np.ndarray:
    return color_histogram(picture.rgb, order)


def _orb(order: Order, descriptors: Descriptors, picture: Picture) -> Keypoints:
    return orb(picture.grey(order), descriptors)


def _frame_specs() -> dict[str, FrameSpec]:
    text = frame_endings()
    made = [
        FrameSpec("lbp", "LBP", text, partial(_lbp, "exchanged", 15), format_lbp),
        FrameSpec("lbp-opencv3", "lbp-opencv3", text, partial(_lbp, "exchanged", 14), format_lbp),
        FrameSpec("lbp-corrected", "lbp-corrected", text, partial(_lbp, "true", 15), format_numbers),
        FrameSpec("hog", "HOG", text, partial(_hog, "exchanged", hog_value_shares), format_numbers),
        FrameSpec("hog-corrected", "hog-corrected", text, partial(_hog, "true", hog), format_digits),
        FrameSpec("colorhistogram", "ColorHistogram", text, partial(_colors, "exchanged"), format_histogram),
        FrameSpec(
            "colorhistogram-corrected", "colorhistogram-corrected", text, partial(_colors, "true"), format_histogram
        ),
        FrameSpec("orb", "ORB", frame_endings(".p"), partial(_orb, "exchanged", "first"), orb_pickle, "cv2"),
        FrameSpec(
            "orb-corrected", "orb-corrected", frame_endings(".npz"), partial(_orb, "true", "own"), orb_npz, "cv2"
        ),
    ]
    return {each.name: each for each in made}


_FRAME_SPECS: Final = _frame_specs()
