"""Rules of the code that no tool of `.ci/check` keeps."""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILES = {
    str(path.relative_to(ROOT)): ast.parse(path.read_text("utf-8")) for path in sorted(ROOT.glob("videomem_hf/**/*.py"))
}
LONGEST = 60
FOREIGN_PRIVATE = {
    "_forward_hooks": "torch.nn.Module",
    "_forward_pre_hooks": "torch.nn.Module",
    "_batch_size": "transformers.Pipeline",
    "_forward_params": "transformers.Pipeline",
    "_conv_forward": "torch.nn.Conv2d",
    "_init_weights": "transformers.PreTrainedModel",
    "_reset_state": "accelerate.AcceleratorState",
    "_fingerprint": "datasets.Dataset",
    "_attn_implementation": "transformers.PreTrainedConfig",
}
"""Private names of other libraries that have no public equivalent."""


def functions(tree: ast.AST) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def test_no_function_is_too_long():
    long = {
        f"{path} {function.name}"
        for path, tree in FILES.items()
        if "/migrations/" not in path
        for function in functions(tree)
        if (function.end_lineno or 0) - function.lineno >= LONGEST
    }
    assert len(FILES) > 100
    assert not long, f"at most {LONGEST} lines"


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def defined(tree: ast.AST) -> set[str]:
    """Names that a file gives to functions, classes, variables and attributes."""
    names = set()
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                names.add(name)
    return names


def used(tree: ast.AST) -> set[str]:
    """Names that a file takes from its own package or reads as attributes."""
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").startswith("videomem_hf")):
            names |= {alias.name for alias in node.names}
    return names


def test_private_names_stay_in_their_file():
    crossing = {
        f"{path} {name}"
        for path, tree in FILES.items()
        for name in used(tree) - defined(tree) - set(FOREIGN_PRIVATE)
        if is_private(name)
    }
    assert not crossing, "give it a public name"


def test_importing_the_package_is_light():
    code = "import sys, videomem_hf.cli; print({'torch', 'datasets', 'av', 'transformers'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"


def test_the_readme_is_short_and_runs_soon():
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) <= 150
    assert any(line.startswith("```") for line in lines[:25])
