"""What `videomem predict` writes, and where."""

import csv
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from videomem_hf.cli.clip_paths import PICTURE_SUFFIXES
from videomem_hf.cli.exit_codes import INTERRUPTED
from videomem_hf.cli.options import check_output_files
from videomem_hf.cli.predict_forgetting import write_forgetting_table
from videomem_hf.cli.predict_here import Outcome
from videomem_hf.schema import VIDEO_SUFFIXES, InputError
from videomem_hf.system import os_cause, printable, quantity

if TYPE_CHECKING:
    from videomem_hf.inference.score_journal import ModelFacts

FILE_SUFFIXES = VIDEO_SUFFIXES | PICTURE_SUFFIXES | {".pdf", ".svg"}
"""Of names that were meant for a file where a folder is needed."""


def write_outputs(
    scored: Iterator[Outcome],
    clips: int,
    model: "ModelFacts",
    outputs: "Outputs",
    fail_fast: bool,
) -> list[Outcome]:
    """Write each clip as it is scored, then the table; gives the outcomes. Raises Exit when interrupted."""
    from videomem_hf.cli.predict_table import print_table

    outcomes: list[Outcome] = []
    interrupted = False
    with _csv_rows(outputs.csv_file, model) as write_row:
        try:
            for outcome in scored:
                outcomes.append(outcome)
                write_row(outcome)
                if outcome.error and fail_fast:
                    break
        except KeyboardInterrupt:
            interrupted = True
    if outputs.json_file is not None:
        _write_json(outputs.json_file, outcomes, model)
    print_table(outcomes, model, to_stderr=outputs.to_stdout)
    if outputs.forgetting is not None:
        write_forgetting_table(outcomes, outputs.forgetting, outputs.to_stdout)
    if written := [str(path) for path in (*outputs.files, *outputs.folders.values()) if path and str(path) != "-"]:
        typer.echo(f"Written: {', '.join(written)}", err=outputs.to_stdout)
    if fail_fast and outcomes and outcomes[-1].error and len(outcomes) < clips:
        left = quantity(clips - len(outcomes), "clip")
        typer.echo(f"videomem: stopped at the first clip that failed, by --fail-fast; {left} not scored", err=True)
    if interrupted:
        sys.stderr.write(f"videomem: interrupted; {len(outcomes)} of {quantity(clips, 'clip')} are done and kept\n")
        raise typer.Exit(INTERRUPTED)
    return outcomes


def _path(option: str, text: str | None) -> Path | None:
    if text == "":
        raise InputError(f"{option} is empty; name a {'file' if option in ('--json', '--csv') else 'folder'}")
    return None if text is None else Path(text)


@dataclass(frozen=True)
class Outputs:
    """Where a run writes, besides the table on the terminal."""

    json_file: Path | None
    csv_file: Path | None
    plots: Path | None
    overlay: Path | None
    forgetting: Path | None = None

    @classmethod
    def of(
        cls, json_file: str | None, csv_file: str | None, plots: str | None, overlay: str | None, forgetting: str | None
    ) -> "Outputs":
        """From the options, checked: what would fail after hours of work is refused at once."""
        given = {"--json": json_file, "--csv": csv_file, "--plots": plots, "--overlay": overlay}
        given["--forgetting"] = forgetting
        outputs = cls(*(_path(option, text) for option, text in given.items()))
        outputs.check()
        return outputs

    @property
    def to_stdout(self) -> bool:
        return "-" in (str(self.json_file), str(self.csv_file))

    @property
    def files(self) -> list[Path]:
        return [path for path in (self.json_file, self.csv_file) if path is not None and str(path) != "-"]

    @property
    def folders(self) -> dict[str, Path | None]:
        """Folder by option, for a file of each clip."""
        return {"--plots": self.plots, "--overlay": self.overlay, "--forgetting": self.forgetting}

    def check(self) -> None:
        """Refuse at once what would fail after hours of work."""
        if str(self.json_file) == str(self.csv_file) == "-":
            raise InputError("--json - and --csv - cannot both be standard output; name a file for one of them")
        check_output_files(*self.files)
        for option, folder in self.folders.items():
            if folder is not None and folder.suffix.lower() in FILE_SUFFIXES and not folder.exists():
                raise InputError(
                    f"{option} {folder}: is named like a file, and each clip gets a file of its own; name a folder, "
                    f"such as {folder.with_suffix('')}"
                )
            try:
                if folder is not None:
                    folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise InputError(f"{option} {folder}: cannot be a folder ({os_cause(error)})") from error

    def check_against(self, sources: Sequence[Path | str]) -> None:
        """Refuse to write over a clip."""
        clips = {_real_path(source) for source in sources if isinstance(source, Path)}
        if written := next((path for path in self.files if _real_path(path) in clips), None):
            raise InputError(f"{written} is one of the clips; name another file for the output")
        folder = None if self.overlay is None else _real_path(self.overlay)
        if clip := next((clip for clip in clips if clip.parent == folder), None):
            raise InputError(f"--overlay {self.overlay}: holds {clip.name}, which is a clip; name another folder")


def _real_path(path: Path) -> Path:
    return Path(os.path.realpath(path))  # `Path.resolve` raises of links in a circle


@contextmanager
def _csv_rows(path: Path | None, model: "ModelFacts") -> Iterator[Any]:
    from videomem_hf.inference.score_journal import ClipScores
    from videomem_hf.inference.score_table import score_columns, score_row

    if path is None:
        yield lambda outcome: None
        return
    try:
        opened = nullcontext(sys.stdout) if str(path) == "-" else path.open("w", newline="", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({os_cause(error)})") from error
    with opened as file:
        writer = csv.writer(file)
        writer.writerow(score_columns(model))

        def write(outcome: Outcome) -> None:
            p = outcome.prediction
            scores = ClipScores.of(p) if p else None
            writer.writerow(score_row(outcome.name, scores, outcome.note, model))
            file.flush()

        yield write


def _write_json(path: Path, outcomes: list[Outcome], model: "ModelFacts") -> None:
    from videomem_hf.inference.prediction import Prediction

    def failed(o: Outcome) -> Prediction:
        return Prediction.failed(o.name, model.name, model.horizons, o.error, model.version)

    rows = [
        (o.prediction or failed(o)).to_dict() | ({"error": printable(o.error)} if o.error else {}) for o in outcomes
    ]
    text = json.dumps(rows, indent=1, ensure_ascii=False) + "\n"
    if str(path) == "-":
        sys.stdout.write(text)
    else:
        path.write_text(text, encoding="utf-8")
