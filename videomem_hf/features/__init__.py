"""Features of a user's own video, computed as the VideoMem release defines them.

    from videomem_hf.features import extract, hmp, lbp

    extract("clip.webm", ["hmp", "lbp"])  # {"hmp": [(6075,)], "lbp": [(122,), (122,), (122,)]}

`videomem_hf.features.catalogue` has the names; `videomem extract` writes files in the release's formats.
"""

from videomem_hf.features.color_histogram import color_histogram
from videomem_hf.features.extract import Extractor, extract
from videomem_hf.features.grey import grey
from videomem_hf.features.hmp import hmp
from videomem_hf.features.hog import hog, hog_value_shares
from videomem_hf.features.lbp import lbp
from videomem_hf.features.orb import orb

__all__ = ["Extractor", "color_histogram", "extract", "grey", "hmp", "hog", "hog_value_shares", "lbp", "orb"]
