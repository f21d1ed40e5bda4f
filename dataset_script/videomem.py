"""VideoMem as a loading script, for `datasets` before 4.0:

    load_dataset("path/to/dataset_script/videomem.py", "scores", data_dir=RELEASE, trust_remote_code=True)

Needs `pip install videomem_hf`. With `datasets` 4.0 and later, which run no scripts, `import videomem_hf` and load
"videomem" instead: the builder is the same.
"""

from videomem_hf.data.builder import VideoMem, VideoMemConfig

__all__ = ["VideoMemConfig", "VideoMemScript"]


class VideoMemScript(VideoMem):
    """The package's builder under a name of this module, which is where `datasets` looks for it."""
