"""A tiny generated release, and a recipe whose run takes a second or two."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from videomem_hf.sample import generate_sample
from videomem_hf.training import TrainingConfig

TINY = (
    "model.hidden_sizes=[8, 8]",
    "model.feature_size=8",
    "model.output_stride=4",
    "processor.size={height: 18, width: 32}",
    "stages.*.epochs=4",
    "batch_size=8",
    "frames_per_clip=2",
    "stages.*.learning_rate=0.003",
    "augmentation.shift_px=1",
    "evaluation.resamples=100",
)
MakeConfig = Callable[..., TrainingConfig]


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of 32 scored clips: 26 to train on and 6 to evaluate on."""
    out = tmp_path_factory.mktemp("sample") / "sample"
    return generate_sample(out, videos=32, test_videos=2, size=(64, 64), features=(), workers=1, progress=False).release


@pytest.fixture(scope="session")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One frame cache for all runs."""
    return tmp_path_factory.mktemp("frames")


@pytest.fixture(scope="session")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of 160 scored videos with feature files and no clips."""
    out = tmp_path_factory.mktemp("features") / "sample"
    made = generate_sample(
        out, videos=160, test_videos=0, size=(64, 64), features=("c3d", "hmp"), write_videos=False, workers=1,
        progress=False,
    )  # fmt: skip
    return made.release


@pytest.fixture
def lamem(tmp_path: Path) -> Path:
    """Twenty-two images, the brighter the more memorable; twenty to train on."""
    folder = tmp_path / "lamem"
    (folder / "images").mkdir(parents=True)
    (folder / "splits").mkdir()
    lines = []
    for number in range(1, 23):
        name = f"{number:08d}.jpg"
        Image.new("RGB", (40, 30), (number * 11,) * 3).save(folder / "images" / name)
        lines.append(f"{name} {min(number / 20, 1):.6f}")
    for split, part in {"train": lines[:20], "val": lines[20:21], "test": lines[21:]}.items():
        (folder / "splits" / f"{split}_1.txt").write_text("\n".join(part))
    return folder


@pytest.fixture
def make_config(release: Path, frames: Path, tmp_path: Path) -> MakeConfig:
    """A tiny run; `overrides` come last, `output` names its folder under the test's own."""

    def make(*overrides: str, output: str = "run") -> TrainingConfig:
        values = (*TINY, f"frame_cache={frames}", *overrides)
        return TrainingConfig.from_recipe("frame_attention", data=release, output=tmp_path / output, overrides=values)

    return make
