"""What the builders share: the hash of the code that makes rows, which names the folder of what was cached."""

import shutil
from pathlib import Path

import grimp
import pytest

import videomem_hf
from videomem_hf.data.builder import VideoMem
from videomem_hf.data.building import code_hash
from videomem_hf.data.copies import files_state
from videomem_hf.data.lamem import LaMem
from videomem_hf.data.memento10k_builder import Memento10k
from videomem_hf.data.tables.builder import Memorability
from videomem_hf.registration import DATASETS

PACKAGE = Path(videomem_hf.__file__).parent
READERS = {"data/release/ground_truth.py", "data/feature_files/text.py", "data/record_tables.py", "schema.py"}
OTHERS = {"data/scored_clips.py", "data/describe.py", "data/prepare.py", "video/frame_cache.py", "system.py"}


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    return grimp.build_graph("videomem_hf", cache_dir=None)


def files_of_rows(module: str, imports: grimp.ImportGraph) -> set[str]:
    """Files, below the package, of the modules of data and of the schema that a builder's module imports."""
    paths = [name.replace(".", "/") + ".py" for name in imports.find_upstream_modules(module) | {module}]
    below = {path.removeprefix("videomem_hf/") for path in paths}
    return {path for path in below if path.startswith(("data/", "schema.py")) and (PACKAGE / path).is_file()}


@pytest.mark.parametrize("module", DATASETS.values())
def test_a_change_of_what_makes_the_rows_changes_the_hash_and_no_other_does(
    module: str, tmp_path: Path, imports: grimp.ImportGraph
) -> None:
    copy = tmp_path / "videomem_hf"
    for part in ("data", "video"):
        shutil.copytree(PACKAGE / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("schema.py", "system.py"):
        shutil.copy(PACKAGE / name, copy)
    before = code_hash(module)
    assert code_hash(module, tmp_path) == before
    noticed = set()
    for path in copy.rglob("*.py"):
        source = path.read_bytes()
        path.write_bytes(source + b"\n# changed\n")
        if code_hash(module, tmp_path) != before:
            noticed.add(path.relative_to(copy).as_posix())
        path.write_bytes(source)
    assert noticed == files_of_rows(module, imports)
    assert all((copy / path).is_file() for path in OTHERS)
    assert noticed.isdisjoint(OTHERS)
    if module == DATASETS["videomem"]:
        assert noticed >= READERS
    elif module != DATASETS["memorability"]:  # whose rows are made as VideoMem's are
        assert not any(path.startswith("data/feature_files/") for path in noticed)


@pytest.mark.parametrize("builder", [VideoMem, LaMem, Memento10k, Memorability])
def test_load_dataset_and_the_builder_class_use_one_cache(builder: type) -> None:
    assert DATASETS[builder.DATASET_NAME] == builder.MODULE


def test_links_to_nothing_are_files_that_may_appear(tmp_path: Path) -> None:
    (tmp_path / "a.webm").write_bytes(b"x")
    before = files_state([], [tmp_path])
    (tmp_path / "b.webm").symlink_to("gone")
    (tmp_path / "c.webm").symlink_to("c.webm")
    with_links = files_state([], [tmp_path])
    (tmp_path / "gone").write_bytes(b"y")
    assert len({before, with_links, files_state([], [tmp_path])}) == 3
