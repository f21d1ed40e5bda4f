import subprocess
import sys

import pytest

CHECK = """
from transformers import AutoConfig, AutoModel, AutoVideoProcessor
from videomem_hf.models import MODELS, config_class, model_class
assert len(MODELS) >= 10
for name in MODELS:
    config = AutoConfig.for_model(name)
    assert type(config) is config_class(name)
    assert AutoModel._model_mapping[type(config)] is model_class(name)
"""


@pytest.mark.parametrize(
    "first",
    [
        "import videomem_hf",
        "import videomem_hf; from transformers import PreTrainedModel",
        "import videomem_hf; from transformers import AutoVideoProcessor",
        "from transformers import AutoModel; import videomem_hf",
        "from videomem_hf.models.configuration_frame_attention import FrameAttentionConfig",
        "from videomem_hf.models.modeling_amnet import AMNetModel",
    ],
)
def test_auto_classes_know_every_predictor_whatever_is_imported_first(first):
    result = subprocess.run([sys.executable, "-c", first + CHECK], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("first", ["import videomem_hf.inference.pipeline", "import videomem_hf, transformers"])
def test_the_pipeline_is_registered_whatever_is_imported_first(first):
    code = f"""{first}
import wrapt
from transformers import pipeline, pipelines
assert pipelines.PIPELINE_REGISTRY.check_task("video-memorability")[1]["impl"].__name__ == "VideoMemorabilityPipeline"
assert isinstance(pipeline, wrapt.FunctionWrapper)
assert not isinstance(pipeline.__wrapped__, wrapt.FunctionWrapper)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
