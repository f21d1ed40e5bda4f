"""The participants' page itself, the facts and texts that it shows, and clips outside the game."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse
from jinja2 import Environment, PackageLoader

from videomem_hf.protocol.server.clips import MEDIA_TYPES
from videomem_hf.protocol.server.completion import completion_of_stranger
from videomem_hf.protocol.server.database import Database
from videomem_hf.protocol.server.game import Game
from videomem_hf.protocol.server.limits import RateLimit, client_address
from videomem_hf.protocol.server.practice import generated_clip, practice_order
from videomem_hf.protocol.server.settings import Question
from videomem_hf.protocol.server.study import Study
from videomem_hf.protocol.server.texts import Texts, choose_language, language_name, load_texts
from videomem_hf.protocol.server.visits import Counted, count_visit
from videomem_hf.protocol.time_checks import RT_MIN_MS

_TEMPLATES: Final = Environment(loader=PackageLoader("videomem_hf.protocol.server"), autoescape=True)
_KEEP: Final = {"cache-control": "private, max-age=3600"}


class PageApi:
    """The requests that need no participant."""

    def __init__(self, study: Study, database: Database, now_ms: Callable[[], int]) -> None:
        self.study, self.database, self.now_ms = study, database, now_ms
        self.game = Game(study.design, study.settings)
        self.texts = load_texts(study.folder, study.settings)
        self._visits = RateLimit(3 * study.settings.joins_per_minute, 60)
        self._media = sorted(
            {clip.suffix.lower() for clip in study.clips.values()}, key=lambda suffix: MEDIA_TYPES[suffix]
        )
        self.router = APIRouter()
        self.router.add_api_route("/", self.page, methods=["GET"])
        self.router.add_api_route("/api/study", self.facts, methods=["GET"])
        self.router.add_api_route("/api/count", self.count, methods=["POST"])
        self.router.add_api_route("/examples/{number}", self.example, methods=["GET"])
        self.router.add_api_route("/practice/{number}", self.practice_clip, methods=["GET"])
        self.router.add_api_route("/check/{number}", self.check_clip, methods=["GET"])

    def page(self, request: Request, lang: str | None = None) -> Response:
        language = self._language(request, lang)
        template = _TEMPLATES.get_template("index.html.j2")
        content = template.render(language=language, texts=self.texts[language])
        return HTMLResponse(content, headers={"cache-control": "no-cache", "vary": "accept-language"})

    def facts(self, request: Request, lang: str | None = None) -> dict[str, Any]:
        """What the page needs to know of the study, with its texts in the visitor's language, or in `lang`."""
        settings, design = self.study.settings, self.study.design
        language = self._language(request, lang)
        names = ("contact", "clips_ahead", "pause_max_min", "stall_max_ms", "window_min_px", "frames_dropped_max")
        return {name: getattr(settings, name) for name in names} | {
            "language": language,
            "languages": {each: language_name(each) for each in settings.languages},
            "texts": self.texts[language],
            "title": self.texts[language]["title"],
            "demographics": [_question(question, self.texts[language]) for question in settings.demographics],
            "examples": len(self.study.examples),
            "practice": [len(practice_order(design.practice, step)) for step in (1, 2)],
            "practice_clips": [[showing.clip for showing in practice_order(design.practice, step)] for step in (1, 2)],
            "opens_ms": settings.opens_ms,
            "secure": request.url.scheme == "https",
            "screened_out": asdict(completion_of_stranger(settings, "screened_out")),
            "declined": asdict(completion_of_stranger(settings, "declined")),
            "media_types": sorted({MEDIA_TYPES[suffix] for suffix in self._media}),
            "checks": len(self._media),
            "key": design.presentation.key,
            "window_ms": self.game.window_ms,
            "rt_min_ms": RT_MIN_MS,
            "gap_ms": self.game.gap_ms,
            "showings": [self.game.showings[1], self.game.showings[2]],
            "delay_h": [design.step2.delay_min_h, design.step2.delay_max_h],
        }

    async def count(self, name: Annotated[Counted, Body(embed=True)], request: Request) -> dict[str, bool]:
        """Count someone who opens the study, does not agree, or whose device cannot play; nothing else is kept."""
        if self._visits.wait_s(client_address(request)) == 0:
            await self.database.write_async(lambda connection: count_visit(connection, name))
        return {"counted": True}

    def example(self, number: int) -> Response:
        return _file(self.study.examples, number)

    def practice_clip(self, number: int) -> Response:
        if not 0 <= number < self.study.design.practice.clips:
            return _missing()
        return _file(self.study.practice, number) if self.study.practice else self._generated(number, self._media[0])

    def check_clip(self, number: int) -> Response:
        """The clip that tries a device: an example of each kind of file in the game, or a generated one."""
        if not 0 <= number < len(self._media):
            return _missing()
        suffix = self._media[number]
        same = [file for file in self.study.examples if file.suffix.lower() == suffix]
        return _file(same, 0) if same else self._generated(0, suffix)

    def _generated(self, number: int, suffix: str) -> Response:
        content = generated_clip(number, ".webm" if suffix == ".webm" else ".mp4")
        return Response(content, media_type=MEDIA_TYPES[suffix], headers=_KEEP)

    def _language(self, request: Request, wanted: str | None) -> str:
        return choose_language(list(self.texts), wanted, request.headers.get("accept-language", ""))


def _question(question: Question, texts: Texts) -> dict[str, Any]:
    """A demographic question with its choices, as [stored, shown], in the language of the texts."""
    key = f"question.{question.name}"
    choices = [[choice, texts.get(f"{key}.{choice}", choice)] for choice in question.choices]
    return {"name": question.name, "question": texts.get(key, question.question), "choices": choices}


def _file(files: list[Path] | tuple[Path, ...], number: int) -> Response:
    if not 0 <= number < len(files):
        return _missing()
    return FileResponse(files[number], media_type=MEDIA_TYPES[files[number].suffix.lower()], headers=_KEEP)


def _missing() -> Response:
    return JSONResponse({"error": "none", "message": "No such clip."}, 404)
