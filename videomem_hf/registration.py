"""What `import videomem_hf` makes known to the libraries around it, at no cost until they are imported."""

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import wrapt

from videomem_hf.schema import InputError

DATASETS: Final = {
    "videomem": "videomem_hf.data.builder",
    "lamem": "videomem_hf.data.lamem",
    "memento10k": "videomem_hf.data.memento10k_builder",
    "memorability": "videomem_hf.data.tables.builder",
}
"""Names that `datasets.load_dataset` learns, and the module that builds each."""
OTHER_NAMES: Final[dict[str, tuple[str, dict[str, str]]]] = {
    "mediaeval2018": ("videomem", {"release": "2018"}),
    "mediaeval2019": ("videomem", {"release": "2018"}),
    "mediaeval2020": ("memorability", {"preset": "trecvid2020"}),
    "mediaeval2022": ("videomem", {"release": "2022"}),
    **{
        name: ("memorability", {"preset": name})
        for name in (
            "trecvid2020", "trecvid2021", "memcat", "figrim", "figrim_across", "sun_memorability",
            "things_memorability", "lambda", "videm",
        )
    },
}  # fmt: skip
"""More names: one of the above with keywords. MediaEval 2021 and 2023 had two sets each, with names of their own."""


def register() -> None:
    """Register datasets, predictors with transformers' Auto classes, and the pipeline; may be called again.

    `datasets` has no public way for a package to register a builder. Its table of packaged modules would do, but then
    each call lists and hashes every file under `data_dir` (minutes for a full release). So the function that turns a
    name into a builder is wrapped, in the module that defines it and in the one that copies it. Tests guard both.
    """
    auto = "transformers.models.auto"
    hooks: dict[str, Callable[[ModuleType], None]] = {
        "datasets.load": _wrap_factory,
        "datasets.inspect": _wrap_factory,
        f"{auto}.configuration_auto": _register_configurations,
        f"{auto}.modeling_auto": _register_modelings,
        f"{auto}.video_processing_auto": _register_processors,
        "transformers.pipelines": _register_pipeline,
    }
    for module, hook in hooks.items():
        wrapt.register_post_import_hook(hook, module)


def _register_pipeline(module: ModuleType) -> None:
    # Registers itself at its end: it may be what imports transformers' pipelines, and then it is not complete yet.
    import_module("videomem_hf.inference.pipeline")


def _register_configurations(module: ModuleType) -> None:
    from videomem_hf.models import MODELS, config_class

    for name in MODELS:
        module.AutoConfig.register(name, config_class(name), exist_ok=True)


def _register_modelings(module: ModuleType) -> None:
    from videomem_hf.models import MODELS, config_class, model_class

    for name in MODELS:
        module.AutoModel.register(config_class(name), model_class(name), exist_ok=True)


def _register_processors(module: ModuleType) -> None:
    from videomem_hf.models import MODELS, config_class
    from videomem_hf.models.video_processing_memorability import MemorabilityVideoProcessor

    for name in MODELS:
        module.AutoVideoProcessor.register(config_class(name), MemorabilityVideoProcessor, exist_ok=True)


def import_code(names: Sequence[str] | None) -> None:
    """Import Python files and modules that register predictors with transformers' Auto classes.

    Raises:
        InputError: There is no such file or module, or a loaded one already has the file's name.
    """
    for name in names or ():
        file = Path(name).resolve()
        try:
            if file.suffix != ".py":
                import_module(name)
                continue
            loaded = sys.modules.get(file.stem)
            if loaded is not None and Path(getattr(loaded, "__file__", None) or "").resolve() != file:
                raise InputError(f"{name}: a module {file.stem!r} is loaded already; give the file another name")
            if not file.is_file():
                raise InputError(f"{name}: no such file")
            sys.path.insert(0, str(file.parent))  # where the modules beside it are found, and it is by other processes
            import_module(file.stem)
        except ImportError as error:
            raise InputError(f"{name}: cannot be imported ({error})") from error


def _wrap_factory(module: ModuleType) -> None:
    if not isinstance(module.dataset_module_factory, wrapt.FunctionWrapper):
        wrapt.wrap_function_wrapper(module, "dataset_module_factory", _dataset_module_factory)


def _dataset_module_factory(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Answer for our names; every other goes to `datasets` untouched."""
    path = str(args[0] if args else kwargs.get("path"))
    name, keywords = OTHER_NAMES.get(path, (path, {}))
    if name not in DATASETS or _means_local_folder(path, kwargs.get("data_dir")):
        return wrapped(*args, **kwargs)
    from datasets.load import DatasetModule

    from videomem_hf.data.building import code_hash

    return DatasetModule(DATASETS[name], code_hash(DATASETS[name]), {"dataset_name": path, **keywords})


def _means_local_folder(name: str, data_dir: str | None) -> bool:
    """Whether `load_dataset(name)` means a prepared folder of that name here, as it does without this package."""
    return data_dir is None and f"{name.upper()}_DATA_DIR" not in os.environ and Path(name, "README.md").is_file()
