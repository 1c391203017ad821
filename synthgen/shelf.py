"""The recipes that come with the package. Knows their files and first comment lines, not what is in them.

Each begins with comments: what it makes, what it costs, what was measured.

    shipped()["classification/fashion-mnist"]  ->  Path(".../recipes/classification/fashion-mnist.yaml")
"""

from __future__ import annotations

from pathlib import Path


def shipped() -> dict[str, Path]:
    """Name -> file; the folder lies in the package, or beside it in a source checkout."""
    package = Path(__file__).parent
    folder = next((place for place in (package / "_recipes", package.parent / "recipes") if place.is_dir()), None)
    if folder is None:
        return {}
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in sorted(folder.rglob("*.yaml"))}


def opening(path: Path) -> list[str]:
    """The comment lines at the top of a recipe, without the editor's schema line."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        text = line.lstrip("#").strip()
        if text and not text.startswith("yaml-language-server"):
            lines.append(text)
    return lines


def list_recipes() -> str:
    """One paragraph a recipe: its name, then its opening."""
    parts = ["\n".join([name, *(f"    {line}" for line in opening(path))]) for name, path in shipped().items()]
    return "\n\n".join(parts) or "no recipes are installed; give the path of your own"
