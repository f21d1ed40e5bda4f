"""The features by the names that `--features` takes."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import numpy as np

from videomem_hf.data.orb_files import Keypoints
from videomem_hf.schema import InputError

from .c3d import C3DRecipe
from .clips import Picture
from .color_histogram import color_histogram
from .concepts import ConceptsRecipe
from .encoders import EncoderRecipe, Library
from .grey import Bits, Order
from .hmp_recipe import HmpRecipe
from .hog import hog, hog_value_shares
from .inceptionv3 import InceptionV3Recipe
from .lbp import lbp
from .orb import Descriptors, orb, orb_npz, orb_pickle
from .packaged import PACKAGED, packaged
from .recipe import WHOLE, FrameRecipe, Recipe, folder_name, frame_endings
from .release_text import eight_decimals, histogram_lines, occurring, significant
from .titles import TitleRecipe

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


def recipe(name: str, c3d: str | None = None, inceptionv3: str | None = None) -> Recipe:
    """Give the recipe of a feature.

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
    if key in _FRAME_RECIPES:
        return _FRAME_RECIPES[key]
    if key in PACKAGED:
        return packaged(key)
    makers: dict[str, Callable[[], Recipe]] = {
        "hmp": partial(HmpRecipe, key, "HMP", WHOLE, variant="released"),
        "hmp-paper": partial(HmpRecipe, key, "hmp-paper", WHOLE, variant="paper"),
        "c3d": partial(C3DRecipe, key, "C3D", WHOLE, model=c3d),
        "c3d-fc6": partial(C3DRecipe, key, "c3d-fc6", WHOLE, output="fc6", model=c3d),
        "inceptionv3": partial(InceptionV3Recipe, key, "InceptionV3", frame_endings(), weights=inceptionv3),
        "inceptionv3-corrected": partial(
            InceptionV3Recipe, key, "inceptionv3-corrected", frame_endings(), proper=True, weights=inceptionv3
        ),
    }
    if key not in makers:
        names = ", ".join((*RELEASED, *CORRECTED, *OTHERS, *PACKAGED, *(f"{kind}:MODEL" for kind in MODELS)))
        raise InputError(f"no feature is called {name!r}; there are {names}")
    return makers[key]()


def recipes(names: Sequence[str], c3d: str | None = None, inceptionv3: str | None = None) -> list[Recipe]:
    """Give the recipes of several features, as `checked`; see `recipe` for the arguments.

    Raises:
        InputError: As `recipe` and `checked`.
    """
    return checked([recipe(name, c3d, inceptionv3) for name in names])


def checked(given: Sequence[Recipe]) -> list[Recipe]:
    """Give recipes each once, when what they need is there.

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


def recipe_of_column(column: str) -> Recipe:
    """Give the recipe whose files a data set's column holds.

    Raises:
        InputError: The column is none that can be computed from a clip by its name alone.
    """
    kind, dash, model = column.partition("-")
    if dash and kind in MODELS:
        frames = model.startswith("frames-") and f"{kind}-frames" in MODELS
        name = f"{kind}-frames:{model.removeprefix('frames-')}" if frames else f"{kind}:{model}"
        return recipe(name.replace("--", "/"))
    return recipe(column)


def _of_model(kind: str, model: str) -> Recipe:
    if kind not in MODELS:
        raise InputError(f"no kind of feature is called {kind!r}; there are {', '.join(MODELS)}")
    name, folder = f"{kind}:{model}", folder_name(kind, model)
    if kind == "title":
        return TitleRecipe(name, folder, WHOLE, model)
    if kind == "concepts":
        return ConceptsRecipe(name, folder_name(kind, model.partition("@")[0]), WHOLE, model)
    single = kind.endswith("-frames")
    library: Library = "timm" if kind.startswith("timm") else "hf"
    return EncoderRecipe(name, folder, frame_endings() if single else WHOLE, library, model, single)


def _lbp(order: Order, bits: Bits, picture: Picture) -> np.ndarray:
    return lbp(picture.grey(order, bits))


def _hog(order: Order, describe: Callable[[np.ndarray], np.ndarray], picture: Picture) -> np.ndarray:
    return describe(picture.grey(order))


def _colors(order: Order, picture: Picture) -> np.ndarray:
    return color_histogram(picture.rgb, order)


def _orb(order: Order, descriptors: Descriptors, picture: Picture) -> Keypoints:
    return orb(picture.grey(order), descriptors)


def _frame_recipes() -> dict[str, FrameRecipe]:
    text = frame_endings()
    made = [
        FrameRecipe("lbp", "LBP", text, partial(_lbp, "exchanged", 15), occurring),
        FrameRecipe("lbp-opencv3", "lbp-opencv3", text, partial(_lbp, "exchanged", 14), occurring),
        FrameRecipe("lbp-corrected", "lbp-corrected", text, partial(_lbp, "true", 15), eight_decimals),
        FrameRecipe("hog", "HOG", text, partial(_hog, "exchanged", hog_value_shares), eight_decimals),
        FrameRecipe("hog-corrected", "hog-corrected", text, partial(_hog, "true", hog), significant),
        FrameRecipe("colorhistogram", "ColorHistogram", text, partial(_colors, "exchanged"), histogram_lines),
        FrameRecipe(
            "colorhistogram-corrected", "colorhistogram-corrected", text, partial(_colors, "true"), histogram_lines
        ),
        FrameRecipe("orb", "ORB", frame_endings(".p"), partial(_orb, "exchanged", "first"), orb_pickle, "cv2"),
        FrameRecipe(
            "orb-corrected", "orb-corrected", frame_endings(".npz"), partial(_orb, "true", "own"), orb_npz, "cv2"
        ),
    ]
    return {each.name: each for each in made}


_FRAME_RECIPES: Final = _frame_recipes()
