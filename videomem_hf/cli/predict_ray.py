"""`videomem predict --engine ray`: a table of scores of any number of clips."""

import csv
import sys
from collections.abc import Iterable
from pathlib import Path

import typer
from tqdm import tqdm

from videomem_hf.cli.exit_codes import FAILED, INTERRUPTED
from videomem_hf.cli.options import say_next
from videomem_hf.cli.predict_next import next_commands
from videomem_hf.inference import load_predictor
from videomem_hf.inference.ray_engine import score_on_ray
from videomem_hf.inference.score_journal import ClipScores, ModelFacts, ScoreJournal, model_identity
from videomem_hf.inference.score_table import score_columns, score_row
from videomem_hf.schema import InputError
from videomem_hf.system import atomic_write, os_cause, quantity


def predict_on_ray(
    paths: list[Path],
    model: str | None,
    device: str | None,
    precision: str,
    out: Path,
    workers: int | None,
    titles: list[str | None] | None = None,
    typed: str = "",
) -> None:
    """Score clips, keep each at once in a journal beside `out`, and write `out` at the end, in the clips' order.

    `typed` are the options that the next command needs as well; see `typed_options`.

    Raises:
        InputError: There is no such model, or no Ray, or a file cannot be written.
        Exit: With 130 when interrupted, with 1 if a clip has no score.
    """
    predictor = load_predictor(model, device, precision=precision)
    facts = ModelFacts.of(predictor)
    dtype = str(getattr(predictor.model, "dtype", "")).removeprefix("torch.")
    identity = model_identity(facts.name, facts.horizons, facts.version)
    identity |= {} if dtype == "float32" else {"precision": dtype}
    journal = ScoreJournal(out.with_name(f"{out.name}.journal"), identity)
    if titles:
        predictor.check_title()
    del predictor  # it was here to find mistakes early; the processes load their own
    title_of = dict(zip(paths, titles or [], strict=bool(titles)))
    results: dict[Path, ClipScores | str] = {p: done for p in paths if (done := journal.get(p, title_of.get(p)))}
    kept = len(results)
    left = [path for path in paths if path not in results]
    try:
        with tqdm(total=len(paths), initial=kept, unit="clip", desc="predicting", disable=None) as bar:
            for clip, result in score_on_ray(left, model, device, workers, precision, [title_of.get(p) for p in left]):
                if isinstance(result, ClipScores):
                    journal.add(clip, result, title_of.get(clip))
                results[clip] = result
                bar.update()
    except KeyboardInterrupt:
        sys.stderr.write(
            f"videomem: interrupted; {len(results)} of {quantity(len(paths), 'clip')} are done and kept in "
            f"{journal.path}, and the same command goes on from there\n"
        )
        raise typer.Exit(INTERRUPTED) from None
    finally:
        journal.close()
    _write_table(out, facts, ((path, results[path]) for path in paths))
    failed = [path for path in paths if isinstance(results[path], str)]
    parts = [f"{len(paths) - len(failed)} of {quantity(len(paths), 'clip')} scored"]
    parts += [f"{kept} were done before"] if kept else []
    parts += [f"{len(failed)} without a score: see the column note"] if failed else []
    typer.echo(f"{out}: {', '.join(parts)}")
    if len(failed) < len(paths):
        scored = next(path for path in paths if path not in failed)
        say_next(*next_commands([scored], typed, drawn=False, maps=False, written=True))
    if failed:
        raise typer.Exit(FAILED)


def _write_table(path: Path, model: ModelFacts, rows: Iterable[tuple[Path, ClipScores | str]]) -> None:
    try:
        with atomic_write(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(score_columns(model))
            for clip, result in rows:
                scores, note = (None, result) if isinstance(result, str) else (result, " ".join(result.notes))
                writer.writerow(score_row(clip, scores, note, model))
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({os_cause(error)})") from None
