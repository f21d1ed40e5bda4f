"""`videomem adapt`: move a model to a new domain with a few scored clips of it."""

from pathlib import Path
from typing import Annotated

import typer

from videomem_hf.cli.options import Device, FrameCacheFolder, Import, TrustRemoteCode, named_folder, quote, say_next
from videomem_hf.registration import import_code


def adapt(
    model: Annotated[str, typer.Argument(help="Folder of a trained model, Hub id, or 'resmem'.")],
    data: Annotated[
        str,
        typer.Option(
            help="Scored clips or photos of the new domain: a folder with a table of scores, a release or a Hub id."
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write; new or empty.", parser=named_folder)],
    split: Annotated[
        list[str] | None,
        typer.Option(help="Use the clips of this split only. May be given several times. (default: all with scores)"),
    ] = None,
    device: Device = None,
    frame_cache: FrameCacheFolder = None,
    import_: Import = None,
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Adapt a model to your own clips, with scores of a hundred of them from twenty annotations each.

    A Gaussian process over the model's own features corrects its scores (at least 20 clips). Each clip is predicted
    from the others, before and after: where that does not show a gain, the output, the card and every prediction say
    not to trust the model yet.

    DIR gets a model that `videomem predict --model DIR` and all other commands take, its card, and left_out.csv.

    Example: [bold]videomem adapt run/ --data museum/ --out museum-model[/bold]
    """
    from videomem_hf.multiview.adapt import adapt as adapt_model
    from videomem_hf.multiview.adapt_card import CARD_FILE, result_lines

    import_code(import_)
    found = adapt_model(
        model, data, out, splits=split or None, device=device,
        frame_cache=None if frame_cache is None else str(frame_cache), trust_remote_code=trust_remote_code,
    )  # fmt: skip
    for line in found.clips.failed:
        typer.echo(f"videomem: {line}", err=True)
    typer.echo("\n".join([*result_lines(found.horizons), *found.notes]))
    if warning := found.model.config.warning:
        typer.echo(warning)
    typer.echo(f"Written: {out} (the model; its card: {out / CARD_FILE})")
    say_next(f"videomem predict clip.mp4 --model {quote(out)} --plots plots")
