"""Names of features, and what is said where one cannot be computed."""

import builtins
from typing import Any

import pytest

from videomem_hf.data.feature_files.folders import FRAMES
from videomem_hf.features.catalogue import (
    CLASSICAL,
    CORRECTED,
    OTHERS,
    RELEASED,
    feature_spec,
    feature_specs,
    needs_of_column,
    reads_titles,
    spec_of_column,
)
from videomem_hf.features.extras import library
from videomem_hf.sample.layout import feature_paths
from videomem_hf.schema import InputError


@pytest.mark.parametrize("name", RELEASED)
def test_files_are_named_as_the_releases(name: str) -> None:
    made = feature_spec(name)
    expected = [(path.parent.name, path.name) for path in feature_paths("dev", name, 7)]
    assert [(made.folder, f"video7{ending}") for ending in made.endings] == expected
    assert feature_spec(name.upper()) == made


def test_every_name_has_a_folder_of_its_own() -> None:
    made = [feature_spec(name) for name in (*RELEASED, *CORRECTED, *OTHERS)]
    assert len({each.folder.lower() for each in made}) == len(made) == 15
    assert set(CLASSICAL) < set(RELEASED)


def test_names_of_models() -> None:
    assert feature_spec("hf:facebook/dinov2-base").folder == "hf-facebook--dinov2-base"
    assert feature_spec("hf-frames:facebook/dinov2-base").endings == tuple(f"-{frame}.txt" for frame in FRAMES)
    assert feature_spec("timm:resnet18.a1_in1k").folder == "timm-resnet18_a1_in1k"
    assert feature_spec("concepts:fasterrcnn_resnet50_fpn@w.pth").folder == "concepts-fasterrcnn_resnet50_fpn"
    assert feature_spec("title:all-MiniLM-L6-v2").folder == "title-all-MiniLM-L6-v2"


@pytest.mark.parametrize("name", ["hmp", "lbp", "c3d", "hmp-paper", "hf:facebook/dinov2-base", "hf-frames:a/b-c"])
def test_a_column_leads_back_to_its_recipe(name: str) -> None:
    made = feature_spec(name)
    column = made.folder if ":" in name else name
    assert spec_of_column(column) == made


def test_what_a_column_needs_of_other_clips(monkeypatch):
    monkeypatch.delenv("VIDEOMEM_C3D", raising=False)
    columns = {
        "c3d": "C3D's weights", "hmp": "nothing", "efficientnet-lite0": "nothing", "aesthetics": "cannot be computed",
        "mine": "cannot be computed", "hf-facebook--dinov2-base": "the model facebook/dinov2-base",
    }  # fmt: skip
    assert {column: needs_of_column(column) for column in columns} == columns


@pytest.mark.parametrize(
    ("config", "reads"),
    [
        ({}, False),
        ({"feature_names": ["c3d", "mine"]}, False),
        ({"view_names": ("concepts", "title_words")}, True),
        ({"view_names": ["title"]}, True),
        ({"feature_names": ["c3d", "title-all-MiniLM-L6-v2"]}, True),
    ],
)
def test_a_configuration_says_whether_its_model_reads_titles(config, reads):
    assert reads_titles(config) is reads


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("aesthetics", "read from the release only"),
        ("aesthetics_mean", "read from the release only"),
        ("hpm", "no feature is called 'hpm'; there are hmp, lbp"),
        ("hub:x", "no kind of feature is called 'hub'"),
        ("hf:", "names no model"),
    ],
)
def test_what_is_no_feature_is_one_sentence(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        feature_spec(name)


def test_c3d_says_at_once_how_to_get_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VIDEOMEM_C3D", raising=False)
    with pytest.raises(InputError, match="videomem convert c3d"):
        feature_specs(["hmp", "c3d"])
    monkeypatch.setenv("VIDEOMEM_C3D", "nowhere")
    with pytest.raises(InputError, match="nowhere: no such folder"):
        feature_specs(["c3d"])


def test_two_models_of_one_folder_are_refused(tmp_path: Any) -> None:
    with pytest.raises(InputError, match="both be written to concepts-ssdlite320_mobilenet_v3_large"):
        feature_specs([f"concepts:ssdlite320_mobilenet_v3_large{end}" for end in ("", f"@{__file__}")])


def test_a_missing_library_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    importing = builtins.__import__

    def without_opencv(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "cv2":
            raise ImportError("No module named 'cv2'")
        return importing(name, *args, **kwargs)

    monkeypatch.setattr("importlib.import_module", lambda name: without_opencv(name))
    with pytest.raises(InputError, match=r"orb needs OpenCV.*pip install 'videomem_hf\[features\]'"):
        feature_specs(["hmp", "orb"])
    with pytest.raises(InputError, match=r"scikit-image.*videomem_hf\[features\]") as caught:
        monkeypatch.setattr("importlib.import_module", lambda name: without_opencv("cv2"))
        library("skimage.transform", "inceptionv3")
    assert "inceptionv3 needs" in str(caught.value)
