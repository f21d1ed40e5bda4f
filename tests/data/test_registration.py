"""`import videomem_hf` makes names known to `load_dataset`, costs nothing, and leaves every other name alone.

The two functions of `datasets` that are wrapped are private: these tests are what notices when they change.
"""

import inspect
import subprocess
import sys
from pathlib import Path

import datasets
import datasets.inspect
import datasets.load
import pytest
import wrapt
from datasets import get_dataset_config_names, load_dataset, load_dataset_builder

import videomem_hf
from tests.data.release_trees import write, write_course
from videomem_hf import registration
from videomem_hf.data.builder import VideoMem
from videomem_hf.data.prepare import prepare

ROOT = Path(videomem_hf.__file__).parents[1]


def run(code: str, cwd: Path = ROOT) -> str:
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}"]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=True).stdout.strip()


def test_importing_the_package_imports_none_of_the_heavy_libraries() -> None:
    heavy = "{'datasets', 'torch', 'transformers', 'evaluate', 'pandas', 'pyarrow', 'numpy', 'gradio', 'av'}"
    assert run(f"import videomem_hf, sys; print({heavy} & set(sys.modules))") == "set()"


def test_help_imports_none_of_the_heavy_libraries() -> None:
    heavy = "{'datasets', 'torch', 'transformers', 'scipy', 'pyarrow', 'numpy', 'av', 'PIL', 'matplotlib', 'yaml'}"
    code = f"""
import io
from contextlib import redirect_stdout, suppress
from videomem_hf.cli import app
with redirect_stdout(io.StringIO()) as help, suppress(SystemExit):
    app(["--help"])
assert "predict" in help.getvalue()
print({heavy} & set(sys.modules))"""
    assert run(code) == "set()"


@pytest.mark.parametrize(
    "imports",
    [
        "import videomem_hf; from datasets import load_dataset_builder",
        "from datasets import load_dataset_builder; import videomem_hf",
        "import datasets.load; import videomem_hf, datasets; load_dataset_builder = datasets.load_dataset_builder",
    ],
)
def test_any_order_of_imports(tmp_path: Path, imports: str) -> None:
    write_course(tmp_path, [1, 2, 3], [])
    code = f"{imports}\nprint(type(load_dataset_builder('videomem', data_dir={str(tmp_path)!r})).__name__)"
    assert run(code) == "VideoMem"


def test_the_wrapped_functions_are_as_they_were() -> None:
    for module in (datasets.load, datasets.inspect):
        assert isinstance(module.dataset_module_factory, wrapt.FunctionWrapper)
    assert datasets.load.dataset_module_factory.__wrapped__ is datasets.inspect.dataset_module_factory.__wrapped__
    parameters = list(inspect.signature(datasets.load.dataset_module_factory.__wrapped__).parameters)
    assert parameters[0] == "path"
    assert "data_dir" in parameters
    assert list(inspect.signature(datasets.load.DatasetModule).parameters)[:3] == [
        "module_path",
        "hash",
        "builder_kwargs",
    ]


def test_registering_twice_wraps_once() -> None:
    before = datasets.load.dataset_module_factory
    registration.register()
    assert datasets.load.dataset_module_factory is before


def test_configuration_names() -> None:
    assert get_dataset_config_names("videomem") == [config.name for config in VideoMem.BUILDER_CONFIGS]
    assert get_dataset_config_names("lamem") == [f"split_{number}" for number in range(1, 6)]
    assert get_dataset_config_names("memento10k") == ["scores", "videos"]


def test_other_names_go_to_datasets(tmp_path: Path) -> None:
    path = write(tmp_path / "table.csv", "a,b\n1,2\n")
    assert load_dataset("csv", data_files=str(path), split="train")[0] == {"a": 1, "b": 2}
    folder = tmp_path / "folder"
    write(folder / "train.csv", "a\n5\n")
    assert load_dataset(str(folder), split="train")[0] == {"a": 5}
    with pytest.raises(Exception, match="nothing-of-that-name"):
        load_dataset("nothing-of-that-name/at-all")


def test_a_prepared_folder_of_the_name_is_meant_when_no_copy_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = write_course(tmp_path / "release", list(range(1, 9)), [])
    prepare(release, tmp_path / "here" / "videomem")
    monkeypatch.chdir(tmp_path / "here")
    assert type(load_dataset_builder("videomem", "scores")).__name__.startswith("Parquet")
    assert type(load_dataset_builder("videomem", "scores", data_dir=str(release))).__name__ == "VideoMem"


def test_the_loading_script_offers_the_builder() -> None:
    code = f"""
import importlib.util, sys
spec = importlib.util.spec_from_file_location("videomem", {str(ROOT / "dataset_script" / "videomem.py")!r})
module = importlib.util.module_from_spec(spec); sys.modules["videomem"] = module; spec.loader.exec_module(module)
from videomem_hf.data.builder import VideoMem
print([name for name, found in vars(module).items() if isinstance(found, type) and issubclass(found, VideoMem)
       and found.__module__ == "videomem"])
"""
    assert run(code) == "['VideoMemScript']"


def test_scores_are_loaded_without_what_they_do_not_need(tmp_path: Path) -> None:
    """`datasets` would import SciPy to let the builder read remote files."""
    write_course(tmp_path / "release", [1, 2, 3], [])
    code = (
        "import sys, videomem_hf, datasets; "
        f"datasets.load_dataset('videomem', data_dir={str(tmp_path / 'release')!r}, "
        f"cache_dir={str(tmp_path / 'cache')!r}); "
        "print(sorted({'scipy', 'torch', 'transformers', 'python_calamine'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
