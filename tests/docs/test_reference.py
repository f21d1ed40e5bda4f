"""The pages made from the code hold every command, argument, option and recipe."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_help import LEAVES
from videomem_hf.recipes import RECIPES_FOLDER

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def reference() -> Any:
    sys.path.insert(0, str(DOCS))
    try:
        import reference
    finally:
        sys.path.remove(str(DOCS))
    return reference


@pytest.fixture(scope="module")
def sections(reference: Any) -> dict[str, str]:
    page = reference.fill((DOCS / "commands.md").read_text(encoding="utf-8"))
    return {found[1]: found[2] for found in re.finditer(r"^## (videomem .*?)\n(.*?)(?=^## |\Z)", page, re.M | re.S)}


def test_every_command_has_a_section(sections: dict[str, str]) -> None:
    assert list(sections) == [f"videomem {' '.join(path)}" for path in LEAVES]
    assert len(sections) > 20


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_every_option_of_the_help_is_in_its_section(path: tuple[str, ...], sections: dict[str, str]) -> None:
    parameters = LEAVES[path].params
    options = {name for each in parameters for name in each.opts if name.startswith("--")}
    assert options or all(each.param_type_name == "argument" for each in parameters)
    section = sections[f"videomem {' '.join(path)}"]
    assert options <= set(re.findall(r"--[a-z][\w-]*", " ".join(re.findall(r"^\| `(.*?)` \|", section, re.M))))
    assert "[bold]" not in section
    assert len(re.findall(r"^\| `", section, re.M)) == len(LEAVES[path].params)


def test_every_recipe_is_listed_with_its_file(reference: Any) -> None:
    page = reference.fill((DOCS / "recipes.md").read_text(encoding="utf-8"))
    files = sorted(RECIPES_FOLDER.glob("*.yaml"))
    assert len(files) > 10
    for file in files:
        assert f"| [`{file.stem}`](#{file.stem}) | " in page
        values = re.sub(r"\A(#.*\n)+", "", file.read_text(encoding="utf-8")).rstrip()
        assert f"```yaml\n{values}\n```" in page
    assert "\n\nOur choice: 20 epochs for the paper's" in page
    row = next(line for line in page.splitlines() if line.startswith("| [`resnet3d`]"))
    assert "videos; weights: `videomem convert resnet3d" in row
    assert re.search(r"\| about \d+ (h|days) \| \S", row)
