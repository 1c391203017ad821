"""The gallery's addresses: the page, its files, and finished runs row by row.

It is given who may see what and decides nothing about it. The page and its files hold no data and are open to all;
everything under /v1/runs asks for the caller.

    app.include_router(build_router({"digits": Path("runs/digits")}, list_jobs, find_job, caller))
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Query, Response
from fastapi import Path as InPath
from fastapi.responses import JSONResponse
from jinja2 import Environment, FileSystemLoader

from ... import __version__
from ...errors import UserError
from .browse import BrowsedRun, read_report, summarise
from .index import Wanted
from .shelf import Shelf, StillReadingError

HERE = Path(__file__).parent
LARGEST = 2**63 - 1  # number of a candidate
TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
POLICY = "; ".join([
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' blob: data:", "connect-src 'self'",
    "base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'",
])  # fmt: skip
SAFE = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
FOR_EVER = "private, max-age=31536000, immutable"  # what an address with the run's version gives never changes

Number = Annotated[int, InPath(ge=0, le=LARGEST)]
Cursor = Annotated[int | None, Query(ge=0, le=LARGEST)]
Name = Annotated[str | None, Query(max_length=200)]
Bound = Annotated[float | None, Query(allow_inf_nan=False)]


@dataclass(frozen=True)
class FinishedJob:
    """A job whose dataset is there."""

    id: str
    folder: Path


def build_router(
    recipes: Mapping[str, Path],
    list_jobs: Callable[[Any], Iterable[FinishedJob]],
    find_job: Callable[[Any, str], FinishedJob | None],
    caller: Callable[..., Any],
) -> APIRouter:
    """`recipes`: the catalog's run folders by name. `list_jobs` and `find_job` take what the dependency `caller` gave
    and know that caller's jobs alone."""
    router, shelf = APIRouter(), Shelf()

    def find(run: str, who: Any) -> BrowsedRun:
        kind, _, name = run.partition(":")
        folder = recipes.get(name) if kind == "recipe" else None
        if kind == "job":
            job = find_job(who, name)
            folder = job.folder if job else None
        if folder is None or not (folder / "dataset" / "report.json").is_file():
            raise HTTPException(404, "there is no such run, or it is not finished")
        return shelf.open(run, folder)

    asker = Depends(caller)
    _add_page(router)
    _add_runs(router, recipes, list_jobs, find, asker)
    _add_rows(router, shelf, find, asker)
    return router


def _add_page(router: APIRouter) -> None:
    environment = Environment(loader=FileSystemLoader(HERE / "templates"), autoescape=True)

    @router.get("/", include_in_schema=False)
    def page() -> Response:
        text = environment.get_template("gallery.html.j2").render(version=__version__, digest=_digest())
        return Response(text, media_type="text/html", headers={**SAFE, "Cache-Control": "no-cache"})

    @router.get("/gallery/static/{digest}/{path:path}", include_in_schema=False)
    def static(digest: str, path: str) -> Response:
        data = _files().get(path)
        if data is None:
            raise HTTPException(404, "there is no such file")
        caching = "public, max-age=31536000, immutable" if digest == _digest() else "no-cache"
        kind = TYPES[Path(path).suffix]
        return Response(data, media_type=kind, headers={**SAFE, "Cache-Control": caching})


def _add_runs(
    router: APIRouter,
    recipes: Mapping[str, Path],
    list_jobs: Callable[[Any], Iterable[FinishedJob]],
    find: Callable[[str, Any], BrowsedRun],
    asker: Any,
) -> None:
    @router.get("/v1/runs")
    def list_runs(who: Any = asker) -> dict[str, Any]:
        """Finished runs: those of the recipes, then the caller's jobs, the newest first."""
        folders = [(f"recipe:{name}", folder) for name, folder in recipes.items()]
        folders += [(f"job:{job.id}", job.folder) for job in list_jobs(who)]
        return {"runs": [found for name, folder in folders if (found := _summary(name, folder))]}

    @router.get("/v1/runs/{run}")
    def describe_run(run: str, who: Any = asker) -> dict[str, Any]:
        """One run: quality, columns, classes, gates and the spread of the scores."""
        return _told(lambda: find(run, who).facts())


def _summary(name: str, folder: Path) -> dict[str, Any] | None:
    try:
        return summarise(name, read_report(folder))
    except UserError:
        return None


def _add_rows(router: APIRouter, shelf: Shelf, find: Callable[[str, Any], BrowsedRun], asker: Any) -> None:
    @router.get("/v1/runs/{run}/rows")
    def list_rows(
        run: str, after: Cursor = None, before: Cursor = None, limit: Annotated[int, Query(ge=1, le=200)] = 48,
        label: Name = None, kept: Literal["kept", "rejected"] | None = None, gate: Name = None, score: Name = None,
        at_least: Bound = None, at_most: Bound = None, who: Any = asker,
    ) -> dict[str, Any]:  # fmt: skip
        """A page of rows by the candidates' numbers, pictures by their address. `score`: what the bounds are of."""
        wanted = Wanted(label, kept, gate, score, at_least, at_most)
        return _told(lambda: find(run, who).page(wanted, after=after, before=before, limit=limit))

    @router.get("/v1/runs/{run}/rows/{index}")
    def show_row(run: str, index: Number, who: Any = asker) -> dict[str, Any]:
        """Everything of one row, and the command that makes it again."""
        return _told(lambda: find(run, who).row(index))

    @router.get("/v1/runs/{run}/rows/{index}/nearest")
    def show_nearest(run: str, index: Number, who: Any = asker) -> Any:
        """The nearest real training row and its distance. 202 while the run's source is still being read: ask again."""
        try:
            return _told(lambda: shelf.find_nearest(find(run, who), index))
        except StillReadingError:
            return JSONResponse({"reading": True}, 202, {"Retry-After": "2"})

    @router.get("/v1/runs/{run}/rows/{index}/{column}", response_class=Response)
    def show_picture(
        run: str, index: Number, column: str, side: Annotated[int | None, Query(ge=16, le=2048)] = None,
        v: Annotated[str | None, Query(max_length=64)] = None, who: Any = asker,
    ) -> Response:  # fmt: skip
        """The bytes of a picture or a mesh; with `side`, a larger picture is reduced to so many pixels."""
        place = find(run, who)
        picture = _told(lambda: place.picture(index, column, side))
        caching = FOR_EVER if v == place.version else "private, no-cache"
        headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'"}
        return Response(picture.data, media_type=picture.kind, headers={**headers, "Cache-Control": caching})


def _told(answer: Callable[[], Any]) -> Any:
    """What `answer` gives; a mistake of the caller's as 404 for rows and pictures, else 422."""
    try:
        return answer()
    except UserError as mistake:
        missing = str(mistake).partition(":")[0] in ("index", "column")
        raise HTTPException(404 if missing else 422, str(mistake)) from None


@lru_cache(maxsize=1)
def _files() -> dict[str, bytes]:
    """The page's own files by their names: nothing else can be asked for."""
    folder = HERE / "static"
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.suffix in TYPES
    }


@lru_cache(maxsize=1)
def _digest() -> str:
    """A few letters that change with the page's files, so that browsers keep them only as long as they are right."""
    sha = hashlib.sha256()
    for name, data in sorted(_files().items()):
        sha.update(name.encode() + data)
    return sha.hexdigest()[:12]
