"""A generated sample in the layout of the VideoMem release, with the truth known."""

from videomem_hf.sample.generate import SamplePaths, generate_sample
from videomem_hf.sample.layout import FEATURES
from videomem_hf.sample.render import render_frame, thing_box
from videomem_hf.sample.scene import Scene, draw_scene
from videomem_hf.sample.truth import SceneTruth, read_truth

__all__ = [
    "FEATURES",
    "SamplePaths",
    "Scene",
    "SceneTruth",
    "draw_scene",
    "generate_sample",
    "read_truth",
    "render_frame",
    "thing_box",
]
