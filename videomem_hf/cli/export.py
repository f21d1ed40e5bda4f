"""`videomem export`: a predictor as ONNX, for machines without PyTorch."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from videomem_hf.cli.options import Import, TrustRemoteCode, quote, say_next
from videomem_hf.model_names import check_model_name
from videomem_hf.registration import import_code
from videomem_hf.schema import LEAST_RANK_CORRELATION, ExportDtype

if TYPE_CHECKING:
    from videomem_hf.inference.onnx.facts import ExportFacts


def export(
    model: Annotated[str, typer.Argument(help="Folder of a trained model, Hub id, or 'resmem'.")],
    onnx: Annotated[Path, typer.Option(metavar="OUT", help="Folder for the exported model; new or empty.")],
    dtype: Annotated[
        ExportDtype,
        typer.Option(
            help="Number format: float16 halves the file; int8 quarters it, and networks of frames compute in it. "
            f"Refused where ranks of generated clips agree with float32 by less than {LEAST_RANK_CORRELATION:g}."
        ),
    ] = "float32",
    import_: Import = None,
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Write a model as ONNX, which predicts without PyTorch and transformers.

    The network is compared with PyTorch on random numbers and on generated frames, and nothing is written if a score
    or map differs by more than .0001. Beside it lie its processor's settings, what its predictions are measured
    against, and its caveats. Needs pip install 'videomem_hf[onnx]'; `videomem predict --engine onnx` reads the result.

    Examples: [bold]videomem export resmem --onnx resmem-onnx[/bold],
    [bold]videomem export run --onnx run-onnx --dtype int8[/bold]
    """
    check_model_name(model)
    import_code(import_)
    from videomem_hf.inference.export import export_onnx
    from videomem_hf.inference.export.run import check_export
    from videomem_hf.models.export_names import MODEL_PART

    check_export(onnx, dtype)
    facts = export_onnx(
        model, onnx, dtype, trust_remote_code, lambda text: typer.echo(f"videomem: {text} ...", err=True)
    )
    size = sum(path.stat().st_size for path in onnx.iterdir()) / 1e6
    inputs = ", ".join(f"{name} ({_axes(axes)})" for name, axes in facts.parts[MODEL_PART]["inputs"].items())
    typer.echo(
        f"{onnx}: {facts.architecture} as {facts.dtype}{_arithmetic(facts)}, opset {facts.opset}, {size:,.1f} MB"
    )
    typer.echo(f"Inputs: {inputs}")
    outputs = ", ".join(f"{name} ({_axes(axes)})" for name, axes in facts.outputs(MODEL_PART).items())
    typer.echo(f"Outputs: {outputs}")
    typer.echo(f"Largest difference from PyTorch: {facts.checks['largest_difference_from_pytorch']:.1e}")
    if "rank_correlation_with_float32" in facts.checks:
        agreement = facts.checks["rank_correlation_with_float32"]
        typer.echo(f"Rank correlation with float32 on {facts.checks['clips']} generated clips: {agreement:.4f}")
    say_next(f"videomem predict clip.mp4 --model {quote(onnx)} --engine onnx")


def _axes(axes: list[str | int]) -> str:
    return ", ".join(map(str, axes))


def _arithmetic(facts: "ExportFacts") -> str:
    return "" if facts.dtype == "float32" else f" (computes in {facts.dtype if facts.quantized else 'float32'})"
