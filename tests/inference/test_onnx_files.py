"""What an exported folder says of itself, folders that are damaged, and a process without PyTorch."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import pytest

from tests.inference.exported import attention, clip, exported
from videomem_hf.inference import load_predictor
from videomem_hf.inference.export import export_onnx
from videomem_hf.inference.onnx import load_onnx_predictor
from videomem_hf.schema import InputError
from videomem_hf.training.initial import initial_config

__all__ = ["attention", "clip", "exported"]


def test_the_file_names_what_it_takes_and_gives_and_what_it_is(attention: tuple[Path, Path]) -> None:
    session = onnxruntime.InferenceSession(str(attention[1] / "model.onnx"), providers=["CPUExecutionProvider"])
    (pixels,) = session.get_inputs()
    assert (pixels.name, pixels.shape) == ("pixel_values_videos", ["batch", "frames", 3, "height", "width"])
    assert {each.name: each.shape for each in session.get_outputs()} == {
        "scores": ["batch", 2],
        "frame_scores": ["batch", "frames", 2],
        "attentions": ["batch", "frames", "map_height", "map_width"],
    }
    about = session.get_modelmeta().custom_metadata_map
    assert json.loads(about["horizons"]) == ["short_term", "long_term"]
    assert json.loads(about["processor"])["fps"] == 1.0
    assert json.loads((attention[1] / "export.json").read_text())["opset"] == 20


def test_an_export_is_refused_where_weights_are_needed(attention: Any) -> None:
    message = r"is an exported model \(ONNX\), which `videomem predict --engine onnx` alone takes"
    with pytest.raises(InputError, match=message):
        load_predictor(str(attention[1]))
    with pytest.raises(InputError, match=message):
        initial_config(str(attention[1]), "frame_attention")


def test_folders_that_are_no_export_are_named(attention: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no export.json.*videomem export"):
        load_onnx_predictor(attention[0])
    (tmp_path / "export.json").write_text("{")
    with pytest.raises(InputError, match="is damaged"):
        load_onnx_predictor(tmp_path)
    (tmp_path / "export.json").write_text("[" * 100_000)
    with pytest.raises(InputError, match="is damaged"):
        load_onnx_predictor(tmp_path)
    written = json.loads((attention[1] / "export.json").read_text())
    (tmp_path / "export.json").write_text(json.dumps(written | {"format": 2}))
    with pytest.raises(InputError, match=r"export.json: was written by a later version of videomem_hf; update.*one$"):
        load_onnx_predictor(tmp_path)
    (tmp_path / "export.json").write_text(json.dumps(written))
    with pytest.raises(InputError, match=r"lacks model.onnx"):
        load_onnx_predictor(tmp_path)
    with pytest.raises(InputError, match="is not an empty folder"):
        export_onnx(str(attention[0]), tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"parts": []}, "export.json: is damaged"),
        ({"parts": {"model": {}}}, "export.json: is damaged"),
        ({"config": {"horizons": ["short_term"]}}, "is damaged .1 horizon, and 2 scores of a clip"),
        ({"processor": {"fps": 1}}, "is, by its processor, of another model than export.json"),
        ({"maps": {"size": 1}}, "export.json: is damaged"),
        ({"processor": {}}, "is, by its processor, of another model than export.json"),
        ({"parts": {"model": {"file": "model.onnx", "outputs": {"scores": []}}}}, "export.json: is damaged"),
        ({"caveats": "None."}, "export.json: is damaged .caveats must be a list of texts"),
        ({"maps": {}}, "is, by its maps, of another model"),
        ({"version": "of another run"}, "model.onnx: is, by its version, of another model than export.json beside it"),
    ],
)
def test_a_damaged_description_is_told(attention: Any, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    shutil.copytree(attention[1], tmp_path / "onnx")
    path = tmp_path / "onnx/export.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(InputError, match=message):
        load_onnx_predictor(tmp_path / "onnx")


@pytest.mark.parametrize(
    ("section", "field", "value"), [("config", "horizons", ["long_term", "short_term"]), ("processor", "fps", 2.0)]
)
def test_a_description_of_another_model_is_told(
    attention: Any, tmp_path: Path, section: str, field: str, value: Any
) -> None:
    shutil.copytree(attention[1], tmp_path / "onnx")
    path = tmp_path / "onnx/export.json"
    content = json.loads(path.read_text())
    assert content[section][field] != value
    content[section][field] = value
    path.write_text(json.dumps(content))
    load_onnx_predictor(attention[1])
    with pytest.raises(InputError, match=rf"by its {field if section == 'config' else section}, of another"):
        load_onnx_predictor(tmp_path / "onnx")


def test_a_model_that_weighs_frames_needs_what_weighs_them(exported: Any, tmp_path: Path) -> None:
    folder = shutil.copytree(exported("spatiotemporal")[1], tmp_path / "onnx")
    path = folder / "export.json"
    content = json.loads(path.read_text())
    del content["parts"]["clip"]
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"is damaged .a part 'clip' and the output 'features' belong together"):
        load_onnx_predictor(folder)
    del content["parts"]["model"]["outputs"]["features"]
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"model.onnx: has the outputs .*features .*, and export.json says scores"):
        load_onnx_predictor(folder)


def test_another_network_under_the_description_is_told(attention: Any, tmp_path: Path) -> None:
    shutil.copytree(attention[1], tmp_path / "onnx")
    pixels = onnx.helper.make_tensor_value_info("frames", onnx.TensorProto.FLOAT, ["batch", 3, 224, 224])
    scores = onnx.helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, None)
    node = onnx.helper.make_node("Identity", ["frames"], ["scores"])
    graph = onnx.helper.make_graph([node], "other", [pixels], [scores])
    other = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10)
    (tmp_path / "onnx/model.onnx").write_bytes(other.SerializeToString())
    with pytest.raises(InputError, match=r"model.onnx: has the inputs frames .*, and export.json says pixel_values"):
        load_onnx_predictor(tmp_path / "onnx")


WITHOUT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {absent}:
            raise ImportError(f"No module named {{name!r}}")
sys.meta_path.insert(0, Absent())
sys.argv = {argv}
from videomem_hf.cli import main
main()
"""


ABSENT = (
    "torch", "torchvision", "transformers", "datasets", "accelerate", "evaluate", "huggingface_hub", "scipy", "pyarrow",
    "matplotlib", "jinja2", "pandas", "onnx",
)  # fmt: skip


def test_the_command_needs_neither_pytorch_nor_transformers(attention: Any, clip: Path, tmp_path: Path) -> None:
    argv = ["videomem", "predict", str(clip), "--model", str(attention[1]), "--engine", "onnx"]
    argv += ["--json", str(tmp_path / "out.json"), "--csv", str(tmp_path / "out.csv")]
    code = WITHOUT.format(absent=ABSENT, argv=argv)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | {"COLUMNS": "120"}, check=False
    )
    assert done.returncode == 0, done.stderr
    (found,) = json.loads((tmp_path / "out.json").read_text())
    expected = load_predictor(str(attention[0]), "cpu").predict(clip)
    for horizon, score in expected.scores.items():
        assert found[horizon] == pytest.approx(score, abs=1e-4)
    assert "c.webm" in done.stdout
    assert "Next:" not in done.stderr  # what would be proposed draws
