"""The Space starts from a copy of its folder, with what its requirements bring and nothing else."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

import models as space_models
from packaging.requirements import Requirement

SPACE = Path(space_models.__file__).parent
ROOT = SPACE.parent
OWN = "videomem-hf"


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared() -> list[Requirement]:
    """What the Space's requirements ask for, with the package's own requirements and the named extras in its place."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = []
    for line in (SPACE / "requirements.txt").read_text().split():
        requirement = Requirement(line)
        assert canonical(requirement.name) == OWN
        extras = [each for extra in requirement.extras for each in project["optional-dependencies"][extra]]
        found += [Requirement(each) for each in (*project["dependencies"], *extras)]
    return found


def closure(requirements: list[Requirement]) -> set[str]:
    """Names of all distributions that an installer would bring."""
    names: set[str] = set()
    pending = [(each, extra) for each in requirements for extra in ("", *each.extras)]
    seen = set()
    while pending:
        requirement, extra = pending.pop()
        name = canonical(requirement.name)
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        names.add(name)
        try:
            needed = distribution(name).requires or []
        except PackageNotFoundError:  # of another platform
            continue
        for each in map(Requirement, needed):
            if each.marker is None or each.marker.evaluate({"extra": extra}):
                pending += [(each, inner) for inner in ("", *each.extras)]
    return names


def imported(folder: Path) -> Iterator[tuple[str, str]]:
    """File and top-level name of each import of another package."""
    own = {path.stem for path in folder.glob("*.py")} | {"videomem_hf"} | sys.stdlib_module_names
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            yield from ((path.name, top) for name in names if (top := name.partition(".")[0]) not in own)


def test_every_import_is_of_a_declared_package() -> None:
    asked = {canonical(each.name) for each in declared()}
    providers = packages_distributions()
    found = set(imported(SPACE))
    assert ("app.py", "gradio") in found
    undeclared = {(file, name) for file, name in found if not asked & set(map(canonical, providers.get(name, [name])))}
    assert not undeclared


START = """
import runpy, sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {others}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
built = runpy.run_path("app.py", run_name="space")
print("pages", len(built["demo"].fns))
"""


def test_it_starts_from_a_clean_folder(tmp_path: Path) -> None:
    folder = shutil.copytree(SPACE, tmp_path / "space", ignore=shutil.ignore_patterns("__pycache__"))
    allowed = closure(declared())
    providers = {name: set(map(canonical, of)) for name, of in packages_distributions().items()}
    others = {name for name, of in providers.items() if not of & allowed and OWN not in of and name != "videomem_hf"}
    assert {"pytest", "sklearn"} <= others
    assert not {"gradio", "torch", "wrapt"} & others
    code = START.format(others=repr(others))
    environment = {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "PATH": "", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split("pages ")[1]) > 10
