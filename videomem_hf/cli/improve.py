"""`videomem improve`: which edits of a clip would make it more memorable."""

from pathlib import Path
from typing import Annotated

import typer

from videomem_hf.cli.options import Device, Import, TrustRemoteCode, quote, say_next
from videomem_hf.registration import import_code
from videomem_hf.schema import InputError
from videomem_hf.system import os_cause

_SHOWN = 10


def improve(
    clip: Annotated[str, typer.Argument(help="Video file of at most 5 minutes.")],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder to write.")],
    model: Annotated[
        str | None,
        typer.Option(help="Folder of a trained model, Hub id, or 'resmem'. (default: resmem, if it is installed)"),
    ] = None,
    horizon: Annotated[
        str | None,
        typer.Option(help="Score that is to be raised, such as long_term. (default: the model's first)"),
    ] = None,
    device: Device = None,
    import_: Import = None,
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Try edits of a clip, and say which would make it more memorable.

    It starts later, ends earlier, drops or reorders shots, crops to what stands out, changes brightness and contrast,
    shortens a still opening and takes another poster frame, singly and in pairs of the best. An edit is advised only
    if its gain can be told apart from no edit: on frames that did not choose it, beyond the model's own error, and
    corrected for the number that was tried. Often that is none.

    FOLDER gets improve.html, improve.json, improve.csv, the edited clips, and a study that tests the best edit with
    people. A model says what helps, not people. Needs pip install 'videomem_hf[shots]'.

    Example: [bold]videomem improve advert.mp4 --model quickstart/model --out advert[/bold]
    """
    from tqdm import tqdm

    from videomem_hf.films.advice import advise
    from videomem_hf.films.advice_page import summary_of, write_advice
    from videomem_hf.inference import load_predictor

    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out}: is a file; name a folder")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {out}: cannot be a folder ({os_cause(error)})") from None
    import_code(import_)
    predictor = load_predictor(model, device, trust_remote_code=trust_remote_code)
    with tqdm(desc=Path(clip).name[-40:], bar_format="{desc}: {elapsed} {postfix}", leave=False, disable=None) as bar:
        advice = advise(clip, predictor, horizon, bar.set_postfix_str)
        try:
            files = write_advice(clip, advice, out, bar.set_postfix_str)
        except OSError as error:
            raise InputError(f"{error.filename or out}: cannot be written ({os_cause(error)})") from None
    typer.echo(summary_of(advice))
    for trial in advice.advised[:_SHOWN]:
        low, high = trial.interval
        typer.echo(f"  {trial.tested.gain:+.3f} ({low:+.3f} to {high:+.3f})  {trial.edit.name}")
    typer.echo("\n".join(("", *advice.caveats, "A model says so, not people.")))
    written = [files.page, files.json_file, files.csv_file, *files.clips, *([files.poster] if files.poster else [])]
    typer.echo(f"Written: {', '.join(str(path) for path in written)}")
    if files.study is not None:
        typer.echo(f"To test the best edit with people: {files.study / 'README.md'}")
    if files.clips:
        chosen = f" --model {quote(model)}" if model else ""
        say_next(f"videomem predict {quote(files.clips[0])}{chosen} --plots {quote(out / 'plots')}")
