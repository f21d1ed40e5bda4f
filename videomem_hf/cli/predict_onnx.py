"""`videomem predict --engine onnx`: an exported model, without PyTorch."""

from importlib.util import find_spec

from videomem_hf.schema import InputError


def not_drawable() -> list[str]:
    """The packages that pictures need and that a small environment, for `--engine onnx` alone, lacks."""
    return [name for name in ("matplotlib", "scipy", "torch") if not _is_installed(name)]


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ImportError:
        return False


def check_onnx(
    engine: str,
    model: str | None,
    device: str | None,
    precision: str,
    import_: list[str] | None,
    trust_remote_code: bool,
    occlusion: bool,
    draws: bool,
) -> None:
    """Refuse what an exported model cannot do; nothing with another engine."""
    if engine != "onnx":
        return
    if model is None:
        raise InputError("--engine onnx: name with --model the folder that `videomem export MODEL --onnx OUT` wrote")
    if device not in (None, "cpu"):
        raise InputError(f"--engine onnx runs on the CPU, and --device is {device}; leave it out")
    if precision not in ("auto", "float32", "fp32"):
        raise InputError("--precision is for --engine local; an export has its own: `videomem export --dtype`")
    if import_ or trust_remote_code:
        raise InputError("--import and --trust-remote-code are for --engine local; an export needs no code of its own")
    if occlusion:
        raise InputError("--occlusion is for --engine local; leave it out")
    if draws and (lacking := not_drawable()):
        raise InputError(
            f"--plots, --overlay and --forgetting need {', '.join(lacking)}, not installed here; leave them out, or "
            "install the whole package: pip install videomem_hf"
        )
