"""The copy of a run on this machine, made what the URL holds before work goes on in it.

What counts at the URL is what its listing names with size and digest; the copy follows:

- Without a listing the URL holds no run, and the copy is emptied.
- A copy of another run (after --fresh elsewhere), or one whose model, judge and labels are not those of the URL
  (state/makers.json), is emptied.
- A file that both have is the URL's. One that the copy alone has stays and is sent: it was made by the same recipe and
  the same makers, and not sent yet. Folders that are sealed as a whole, such as the model, are taken as a whole.
- A file at the URL that is not what the listing says is not brought, and deleted there later; the run makes it anew, as
  it does with its own. What rests on a makers.json of that kind goes too. Where the copy has the very file that is
  listed, nothing is brought, so only other machines notice an object that was altered without a change of its size.

    left = follow(store, listing, folder, whole=False)
"""

from __future__ import annotations

import shutil
from pathlib import Path

from ..errors import UserError
from ..storage import remove_leftovers, write_whole
from .fetching import fetch, is_as_listed
from .listing import Entry, Listing
from .snapshot import LOG, ORDER, take_snapshot
from .store import Store

RECIPE, MAKERS, RUN = "state/recipe.json", "state/makers.json", "state/run.txt"
RESTING = ("state/shards/", "state/memory/", "state/looks/", "state/done")  # on the makers
FINISHED = (RECIPE, "state/done", "dataset", "report.html")  # all that a finished run is asked for
UNREAD = ("state/rejections.parquet", "preview.png", "preview.txt", "preview.parquet")  # by a run that goes on
SEALED = ("model", "labels", "judges", "dataset")  # and each checkpoint


def follow(store: Store, listing: Listing | None, folder: Path, whole: bool) -> dict[str, Entry]:
    """Make the copy in `folder` that of the run at the URL; what of the listing is left there without a copy.

    Of a finished run only what tells that it is finished is brought, unless `whole`. Raises UserError.
    """
    remove_leftovers(folder)
    if listing is None:
        empty(folder)
        return {}
    sound = _begin(store, listing, folder)
    if sound and not whole and (left := _bring_finished(store, listing, folder)) is not None:
        return left
    return _bring_all(store, listing, folder, sound)


def _begin(store: Store, listing: Listing, folder: Path) -> bool:
    """Empty the copy unless it is of this very run, and bring what tells that; whether the makers are known."""
    run, makers = folder / RUN, listing.files.get(MAKERS)
    if not run.exists() or run.read_text() != listing.run or (makers and not is_as_listed(folder / MAKERS, makers)):
        empty(folder)
    write_whole(run, listing.run)
    if fetch(store, listing.below(RECIPE), folder):
        address = store.address
        raise UserError(f"{address.option}: the recipe in {str(address)!r} is damaged; use --fresh to start over")
    return not fetch(store, listing.below(MAKERS), folder)


def _bring_finished(store: Store, listing: Listing, folder: Path) -> dict[str, Entry] | None:
    """Of a finished run, bring what the user gets; None where there is none, or something is damaged."""
    wanted = listing.below(*FINISHED)
    if not {"state/done", "report.html"} <= set(wanted) or fetch(store, wanted, folder):
        return None
    return _leave({path: entry for path, entry in listing.files.items() if path not in wanted}, folder)


def _bring_all(store: Store, listing: Listing, folder: Path, sound: bool) -> dict[str, Entry]:
    """Everything that a run which goes on may ask for; `sound`: with what rests on the makers."""
    model = listing.below("model")
    trained = bool(model) and not fetch(store, model, folder)
    left = listing.below(*UNREAD, *(["state/training"] if trained else []))
    rest = {path: entry for path, entry in listing.files.items() if path not in left and path not in model}
    if not sound:
        rest = {path: entry for path, entry in rest.items() if not path.startswith(RESTING)}
    fetch(store, rest, folder)
    _bring_log(store, folder)
    for path in take_snapshot(folder) or {}:
        unknown = path not in listing.files and listing.below(_sealed(path))
        if unknown or (not sound and path.startswith(RESTING)):
            (folder / path).unlink()
    return _leave(left, folder)


def _bring_log(store: Store, folder: Path) -> None:
    """The longer of the two: it only grows."""
    path, told = folder / LOG, store.read(LOG) or b""
    if len(told) > (path.stat().st_size if path.exists() else 0):
        write_whole(path, told)


def _leave(entries: dict[str, Entry], folder: Path) -> dict[str, Entry]:
    """Those that this machine has no copy of; one that differs is deleted here."""
    left = {path: entry for path, entry in entries.items() if not is_as_listed(folder / path, entry)}
    for path in left:
        (folder / path).unlink(missing_ok=True)
    return left


def _sealed(path: str) -> str:
    """The folder that is taken as a whole and has this file; "" where there is none."""
    parts = path.split("/")
    if path.startswith("state/training/"):
        return "/".join(parts[:3])
    if path.startswith("state/replay/"):
        return "state/replay"
    return parts[0] if parts[0] in SEALED else ""


def empty(folder: Path) -> None:
    """Delete what is of a run; the lock stays."""
    for name in (*reversed(ORDER), LOG, RUN):
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
