"""Encoders of transformers and timm and sentence embeddings: tiny models of random weights, saved to disk."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.clips import write_clip
from tests.features.media import moving_frames
from videomem_hf.features import extract
from videomem_hf.features.catalogue import feature_spec, feature_specs
from videomem_hf.features.clips import pictures
from videomem_hf.features.extract import ColumnExtractor
from videomem_hf.schema import InputError


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clips") / "c.webm", moving_frames(72))


@pytest.fixture(scope="module")
def images(clip: Path) -> list[Image.Image]:
    return [Image.fromarray(picture.rgb) for picture in pictures(clip)]


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    torch.set_num_threads(1)


def save_vit(folder: Path, pooler: bool) -> Path:
    from transformers import ViTConfig, ViTImageProcessor, ViTModel

    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=20, image_size=32, patch_size=8
    )
    ViTModel(config, add_pooling_layer=pooler).save_pretrained(folder)
    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def vit_outputs(folder: Path, images: list[Image.Image]) -> object:
    from transformers import AutoImageProcessor, AutoModel

    inputs = AutoImageProcessor.from_pretrained(folder)(images=images, return_tensors="pt")
    with torch.no_grad():
        return AutoModel.from_pretrained(folder).eval()(**inputs)


def test_image_encoder_with_a_pooled_output(tmp_path: Path, clip: Path, images: list[Image.Image]) -> None:
    folder = save_vit(tmp_path / "vit", pooler=True)
    name = f"hf:{folder}"
    (values,) = extract(clip, [name])[name]
    output = vit_outputs(folder, [images[0], images[24], images[48]])
    np.testing.assert_allclose(values, output.pooler_output.mean(dim=0), atol=1e-5)  # type: ignore[attr-defined]
    assert feature_spec(name).folder == "hf-vit"


def test_three_frames_are_described_each(tmp_path: Path, clip: Path, images: list[Image.Image]) -> None:
    folder = save_vit(tmp_path / "vit", pooler=True)
    name = f"hf-frames:{folder}"
    values = extract(clip, [name])[name]
    output = vit_outputs(folder, [images[0], images[24], images[48]])
    np.testing.assert_allclose(np.stack(values), output.pooler_output, atol=1e-5)  # type: ignore[attr-defined]


def test_places_of_a_convolutional_encoder_are_averaged(tmp_path: Path, clip: Path, images: list[Image.Image]) -> None:
    from transformers import ConvNextImageProcessor, ResNetConfig, ResNetModel

    torch.manual_seed(0)
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 12], depths=[1, 1], layer_type="basic")
    model = ResNetModel(config).eval()
    model.save_pretrained(tmp_path)
    ConvNextImageProcessor(size={"shortest_edge": 384}, do_resize=True).save_pretrained(tmp_path)
    name = f"hf:{tmp_path}"
    (values,) = extract(clip, [name])[name]
    output = vit_outputs(tmp_path, [images[0], images[24], images[48]])
    expected = output.last_hidden_state.mean(dim=(0, 2, 3))  # type: ignore[attr-defined]
    np.testing.assert_allclose(values, expected, atol=1e-5)


def test_clip_gives_its_image_embedding(tmp_path: Path, clip: Path, images: list[Image.Image]) -> None:
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

    torch.manual_seed(0)
    tower = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 20}
    config = CLIPConfig(
        text_config={**tower, "vocab_size": 50},
        vision_config={**tower, "image_size": 32, "patch_size": 8},
        projection_dim=12,
    )
    model = CLIPModel(config).eval()
    model.save_pretrained(tmp_path)
    processor = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    processor.save_pretrained(tmp_path)
    name = f"hf:{tmp_path}"
    (values,) = extract(clip, [name])[name]
    pixels = processor(images=[images[0], images[24], images[48]], return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        expected = model.visual_projection(model.vision_model(pixel_values=pixels).pooler_output).mean(dim=0)
    assert values.shape == (12,)
    np.testing.assert_allclose(values, expected, atol=1e-5)


def test_a_video_encoder_sees_the_whole_clip(tmp_path: Path, clip: Path, images: list[Image.Image]) -> None:
    from transformers import VideoMAEConfig, VideoMAEModel

    torch.manual_seed(0)
    config = VideoMAEConfig(
        image_size=32, patch_size=8, num_frames=4, tubelet_size=2, hidden_size=16, num_hidden_layers=1,
        num_attention_heads=2, intermediate_size=20,
    )  # fmt: skip
    model = VideoMAEModel(config).eval()
    model.save_pretrained(tmp_path)
    settings = {
        "image_processor_type": "VideoMAEImageProcessor",
        "size": {"shortest_edge": 32},
        "crop_size": {"height": 32, "width": 32},
    }
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings))
    name = f"hf:{tmp_path}"
    (values,) = extract(clip, [name])[name]
    from transformers import AutoImageProcessor

    chosen = [np.array(images[index]) for index in (0, 18, 36, 54)]
    inputs = AutoImageProcessor.from_pretrained(tmp_path)(chosen, return_tensors="pt")
    with torch.no_grad():
        expected = model(**inputs).last_hidden_state.mean(dim=1)[0]
    np.testing.assert_allclose(values, expected, atol=1e-5)
    with pytest.raises(InputError, match="sees whole clips"):
        feature_specs([f"hf-frames:{tmp_path}"])


def test_timm(tmp_path: Path, clip: Path, images: list[Image.Image]) -> None:
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    model = timm.create_model("test_resnet", pretrained=False, num_classes=0).eval()
    config = {
        "architecture": "test_resnet",
        "num_classes": 0,
        "pretrained_cfg": {"input_size": [3, 64, 64], "mean": [0.5] * 3, "std": [0.25] * 3, "num_classes": 0},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    name = f"timm:local-dir:{tmp_path}"
    (values,) = extract(clip, [name])[name]
    data = timm.data.resolve_data_config({}, model=timm.create_model(f"local-dir:{tmp_path}", pretrained=False))
    assert list(data["input_size"]) == [3, 64, 64]
    transform = timm.data.create_transform(**data)
    with torch.no_grad():
        expected = model(torch.stack([transform(images[index]) for index in (0, 24, 48)])).mean(dim=0)
    np.testing.assert_allclose(values, expected, atol=1e-4)


@pytest.mark.parametrize("name", ["hf:nobody/nothing", "timm:resnet18", "timm:no_such_network", "hf:{here}"])
def test_without_a_model_one_sentence(name: str, tmp_path: Path) -> None:
    from videomem_hf.features.extract import Extractor

    with pytest.raises(InputError, match=r"cannot be loaded|no model can be loaded") as caught:
        Extractor([name.format(here=tmp_path)])
    assert "\n" not in str(caught.value)


def test_title_embeddings(tmp_path: Path, clip: Path) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    from transformers import BertConfig, BertModel, BertTokenizerFast

    torch.manual_seed(0)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "dog", "runs", "cat"]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    bert = tmp_path / "bert"
    BertTokenizerFast(str(tmp_path / "vocab.txt")).save_pretrained(bert)
    BertModel(
        BertConfig(
            vocab_size=9, hidden_size=12, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
            max_position_embeddings=32,
        )
    ).save_pretrained(bert)  # fmt: skip
    model = sentence_transformers.SentenceTransformer(str(bert))
    model.save(str(tmp_path / "model"))
    name = f"title:{tmp_path / 'model'}"
    (values,) = extract(clip, [name], title="a-dog-runs")[name]
    np.testing.assert_allclose(values, model.encode("a dog runs"), atol=1e-5)
    assert np.abs(values - model.encode("a cat runs")).max() > 1e-4


def test_a_clip_without_a_title(monkeypatch: pytest.MonkeyPatch, clip: Path) -> None:
    from videomem_hf.features.collecting import collect
    from videomem_hf.features.spec import WHOLE
    from videomem_hf.features.title_views import TitleSpec

    made = TitleSpec("title:x", "title-x", WHOLE, "x")
    assert "no title" in collect(clip, [made]).errors["title:x"]
    assert collect(clip, [made], title="-year-old-dog").values["title:x"] == ["year old dog"]


def test_a_column_of_a_model_on_disk_is_computed_by_the_features_name(tmp_path: Path, clip: Path) -> None:
    name = f"hf:{save_vit(tmp_path / 'vit', pooler=True)}"
    columns, _ = ColumnExtractor(["hf-vit"], "cpu", {"hf-vit": name})(clip)
    np.testing.assert_allclose(columns["hf-vit"], extract(clip, [name])[name][0], atol=1e-6)
    with pytest.raises(InputError, match="hf:vit: no model can be loaded"):
        ColumnExtractor(["hf-vit"], "cpu")
