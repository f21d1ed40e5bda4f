"""The features by the names that `--features` takes."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from videomem_hf.data.feature_files.release_text import format_digits, format_histogram, format_lbp, format_numbers
from videomem_hf.schema import InputError

from .c3d import C3DSpec
from .clips import Picture
from .color_histogram import color_histogram
from .concepts import ConceptsSpec
from .encoders import EncoderSpec, Library
from .grey import Bits, Order
from .hmp import HmpSpec
from .hog import hog, hog_value_shares
from .inceptionv3 import InceptionV3Spec
from .lbp import lbp
from .orb import orb, orb_npz, orb_pickle
from .packaged import PACKAGED, packaged_spec
from .spec import WHOLE, FeatureSpec, FrameSpec, folder_name, frame_endings
from .title_views import EMBEDDING, WORDS, TitleSpec

RELEASED: Final = ("hmp", "lbp", "hog", "colorhistogram", "orb", "inceptionv3", "c3d")
"""The release's features that can be computed, with its quirks."""
CLASSICAL: Final = RELEASED[:5]
"""Those that need no network."""
CORRECTED: Final = (
    "hmp-paper", "lbp-corrected", "hog-corrected", "colorhistogram-corrected", "orb-corrected", "inceptionv3-corrected",
)  # fmt: skip
"""The same without the quirks."""
OTHERS: Final = ("lbp-opencv3", "c3d-fc6")
"""The first is a former name of `lbp`, whose numbers it has."""
MODELS: Final = ("hf", "hf-frames", "timm", "timm-frames", "title", "concepts")
"""Kinds of features of any model, written `KIND:MODEL`."""
TITLE_NEEDED: Final = "a title"


def feature_spec(name: str, c3d: str | None = None, inceptionv3: str | None = None) -> FeatureSpec:
    """Return the spec of a feature.

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
    networks = {
        "c3d": C3DSpec(key, "C3D", WHOLE, model=c3d),
        "c3d-fc6": C3DSpec(key, "c3d-fc6", WHOLE, output="fc6", model=c3d),
        "inceptionv3": InceptionV3Spec(key, "InceptionV3", frame_endings(), weights=inceptionv3),
        "inceptionv3-corrected": InceptionV3Spec(key, key, frame_endings(), corrected=True, weights=inceptionv3),
    }
    if spec := _SPECS.get(key) or networks.get(key):
        return spec
    names = ", ".join((*RELEASED, *CORRECTED, *OTHERS, *PACKAGED, *(f"{kind}:MODEL" for kind in MODELS)))
    raise InputError(f"no feature is called {name!r}; there are {names}")


def feature_specs(names: Sequence[str], c3d: str | None = None, inceptionv3: str | None = None) -> list[FeatureSpec]:
    """Return the specs of several features; arguments and errors are those of `feature_spec` and `check_specs`."""
    return check_specs([feature_spec(name, c3d, inceptionv3) for name in names])


def check_specs(given: Sequence[FeatureSpec]) -> list[FeatureSpec]:
    """Return specs without duplicates; raises an InputError if there is none, something they need is missing, or two
    would write to one folder.
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
    """Return the spec of the feature that a data set's column holds; raises an InputError if its name does not tell."""
    kind, dash, model = column.partition("-")
    if dash and kind in MODELS:
        frames = model.startswith("frames-") and f"{kind}-frames" in MODELS
        name = f"{kind}-frames:{model.removeprefix('frames-')}" if frames else f"{kind}:{model}"
        return feature_spec(name.replace("--", "/"))
    return feature_spec(column)


def needs_of_column(column: str) -> str:
    """Say what computing the feature that a data set's column holds takes besides the video; nothing is looked up."""
    if column in (EMBEDDING, WORDS):
        return TITLE_NEEDED
    try:
        spec = spec_of_column(column)
    except InputError:
        return "cannot be computed"
    match spec:
        case C3DSpec():
            return "C3D's weights"
        case InceptionV3Spec():
            return "torchvision's weights"
        case TitleSpec():
            return TITLE_NEEDED
        case EncoderSpec() | ConceptsSpec():
            return f"the model {spec.model}"
    return "nothing"


def reads_titles(config: Mapping[str, Any]) -> bool:
    """Whether a model with these fields of a configuration computes a feature or view from the clips' titles."""
    columns = (*config.get("feature_names", ()), *config.get("view_names", ()))
    return any(needs_of_column(column) == TITLE_NEEDED for column in columns)


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


def _of_grey(describe: Callable[[np.ndarray], Any], order: Order, picture: Picture, bits: Bits = 14) -> Any:
    return describe(picture.grey(order, bits))


def _colors(order: Order, picture: Picture) -> np.ndarray:
    return color_histogram(picture.rgb, order)


def _frame_specs() -> list[FrameSpec]:
    text, pickled, arrays = frame_endings(), frame_endings(".p"), frame_endings(".npz")

    def grey(*arguments: Any, **options: Any) -> Callable[[Picture], Any]:
        return partial(_of_grey, *arguments, **options)

    own_orb = partial(orb, descriptors="own")
    return [
        FrameSpec("lbp", "LBP", text, grey(lbp, "exchanged"), format_lbp),
        FrameSpec("lbp-opencv3", "lbp-opencv3", text, grey(lbp, "exchanged"), format_lbp),
        FrameSpec("lbp-corrected", "lbp-corrected", text, grey(lbp, "true", bits=15), format_numbers),
        FrameSpec("hog", "HOG", text, grey(hog_value_shares, "exchanged"), format_numbers),
        FrameSpec("hog-corrected", "hog-corrected", text, grey(hog, "true", bits=15), format_digits),
        FrameSpec("colorhistogram", "ColorHistogram", text, partial(_colors, "exchanged"), format_histogram),
        FrameSpec(_COLORS, _COLORS, text, partial(_colors, "true"), format_histogram),
        FrameSpec("orb", "ORB", pickled, grey(orb, "exchanged"), orb_pickle, "cv2"),
        FrameSpec("orb-corrected", "orb-corrected", arrays, grey(own_orb, "true", bits=15), orb_npz, "cv2"),
    ]


_COLORS: Final = "colorhistogram-corrected"
_HMP: Final = [HmpSpec("hmp", "HMP", WHOLE), HmpSpec("hmp-paper", "hmp-paper", WHOLE, variant="paper")]
_SPECS: Final = {spec.name: spec for spec in (*_HMP, *_frame_specs(), *map(packaged_spec, PACKAGED))}
"""The features that take no options."""
