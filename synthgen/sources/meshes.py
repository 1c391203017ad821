"""Mesh files to points on their surface, through trimesh. Reads no texture, and no file outside the source's folder.

shape = read_mesh(Path("shop/chair/one.glb"), "chair/one.glb", "chair", options, Path("shop"))
shape.points.shape      # (1024, 3), z up
"""

from __future__ import annotations

import json
import struct
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

from ..errors import UserError
from ..soups import Soup, measure_areas, sample_surface
from .clouds import Shape, check_places, digest_of, frame_shape, generator_of, make_cloud, turn_upright
from .rows import BadRow
from .shape_options import ShapeSourceOptions

SUFFIXES = (".glb", ".gltf", ".obj", ".ply", ".off", ".stl")
Y_UP = (".glb", ".gltf")
LARGEST_FILE = 64 * 2**20  # bytes; also of all files together that a glTF refers to
MOST_FACES = 5_000_000
MOST_UNPACKED = 4 * LARGEST_FILE  # bytes that a glTF's views and accessors may ask for: a few lines could ask for all


class FolderResolver:
    """What trimesh asks for files that a mesh names (buffers; textures are never read): those of the folder alone."""

    def __init__(self, place: Path, folder: Path) -> None:
        self.place, self.folder, self.left = place.resolve(), folder.resolve(), LARGEST_FILE

    def get(self, name: str) -> bytes:
        file = (self.place / unquote(str(name))).resolve()
        if not file.is_relative_to(self.folder):
            raise BadRow(f"it refers to {name!r:.80}, outside the source's folder; put the file inside")
        if not file.is_file():
            raise BadRow(f"it refers to {name!r:.80}, which is not there")
        self.left -= file.stat().st_size
        if self.left < 0:
            raise BadRow(f"it refers to more than {LARGEST_FILE // 2**20} MiB")
        return file.read_bytes()

    __getitem__ = get


def read_mesh(file: Path, where: str, label: Any, options: ShapeSourceOptions, folder: Path) -> Shape:
    """`options.points` points on the surface, spread by area; a PLY without faces is a cloud. Or a fault.

    Points depend on the geometry alone. A mesh may have holes, loose pieces or edges of many faces: only areas count.
    """
    suffix = file.suffix.lower()
    turned = (options.up or ("y" if suffix in Y_UP else "z")) == "y"
    try:
        scene = _load_scene(file, suffix, folder)
        cloud = next((c for c in scene.geometry.values() if suffix == ".ply" and not hasattr(c, "faces")), None)
        if cloud is not None:
            marks = _find_marks(cloud, options.columns.get("part"))
            return make_cloud(where, label, cloud.vertices, marks, options.points, turned=turned)
        soup = turn_upright(_gather(scene)) if turned else _gather(scene)
        digest = digest_of(soup)
        points, _ = sample_surface(soup, np.zeros(len(soup), np.int64), options.points, generator_of(digest))
        return Shape(where, label, *frame_shape(points), None, digest, turned=turned)
    except BadRow as bad:
        return Shape(where, label, fault=str(bad))


def import_trimesh() -> Any:
    try:
        import trimesh
    except ModuleNotFoundError:
        raise UserError(
            "source.path: meshes need the package 'trimesh', which is not installed; run: pip install 'synthgen[3d]'"
        ) from None
    return trimesh


def _load_scene(file: Path, suffix: str, folder: Path) -> Any:
    trimesh = import_trimesh()
    if not file.resolve().is_relative_to(folder.resolve()):
        raise BadRow("it is a link to a file outside the source's folder")
    try:
        if file.stat().st_size > LARGEST_FILE:
            raise BadRow(f"{file.stat().st_size / 2**20:.0f} MiB; at most {LARGEST_FILE // 2**20} can be read")
        content = file.read_bytes()
        if suffix in Y_UP:
            _check_gltf(content)
        told = {"skip_materials": True} if suffix in (".glb", ".gltf", ".obj", ".ply") else {}
        resolver = FolderResolver(file.parent, folder)
        return trimesh.load(
            BytesIO(content), file_type=suffix[1:], resolver=resolver, force="scene", process=False, **told
        )
    except BadRow:
        raise
    except Exception as error:  # trimesh checks little: what a broken file leads to may be of any kind
        words = (str(error).splitlines() or [""])[0][:120]
        raise BadRow(f"not a readable {suffix[1:].upper()} file ({type(error).__name__}: {words})") from None


def _check_gltf(content: bytes) -> None:
    """A BadRow if a glTF would unpack to far more than it holds, or if a node is its own ancestor."""
    text = content
    if content[:4] == b"glTF":
        (length,) = struct.unpack_from("<I", content, 12)
        text = content[20 : 20 + length]
    header = json.loads(text)
    asked = sum(int(view["byteLength"]) for view in header.get("bufferViews", []))
    asked += sum(64 * int(entry["count"]) for entry in header.get("accessors", []) if "bufferView" not in entry)
    if asked > MOST_UNPACKED:
        raise BadRow(f"unpacks to {asked / 2**20:.0f} MiB; at most {MOST_UNPACKED // 2**20} can be read")
    children = [child for node in header.get("nodes", []) for child in node.get("children", [])]
    if len(set(children)) < len(children):
        raise BadRow("a node of it has two parents")
    parents = {
        child: parent for parent, node in enumerate(header.get("nodes", [])) for child in node.get("children", [])
    }
    settled: set[int] = set()
    for start in parents:
        path: set[int] = set()
        node: int | None = start
        while node is not None and node not in settled:
            if node in path:
                raise BadRow("a node of it is its own ancestor")
            path.add(node)
            node = parents.get(node)
        settled |= path


def _gather(scene: Any) -> Soup:
    """All triangles of the scene in its frame that have an area, float64 (F, 3, 3). A BadRow if they cannot be used."""
    soups: list[Soup] = []
    count = 0
    for node in sorted(scene.graph.nodes_geometry):
        transform, name = scene.graph[node]
        mesh = scene.geometry[name]
        faces = np.asarray(getattr(mesh, "faces", ()))
        count += len(faces)
        if count > MOST_FACES:
            raise BadRow(f"more than {MOST_FACES:,} faces")
        if not len(faces):
            continue
        corners = np.asarray(mesh.vertices, np.float64)
        if faces.min() < 0 or faces.max() >= len(corners):
            raise BadRow("a face refers to a corner that is not there")
        soup, transform = corners[faces], np.asarray(transform, np.float64)
        check_places(soup)
        check_places(transform)
        soups.append(soup @ transform[:3, :3].T + transform[:3, 3])
    if not soups:
        raise BadRow("no faces")
    soup = np.concatenate(soups)
    check_places(soup)
    soup = soup[measure_areas(soup) > 0]
    if not len(soup):
        raise BadRow("no face has an area")
    return soup


def _find_marks(cloud: Any, column: str | None) -> Any:
    """The property of PLY's vertices that names parts: the recipe's, else `part` or `label`."""
    raw = cloud.metadata.get("_ply_raw", {}).get("vertex", {}).get("data")
    names = (raw.dtype.names or ()) if isinstance(raw, np.ndarray) else tuple(raw or ())
    found = next((name for name in ((column,) if column else ("part", "label")) if name in names), None)
    if column and not found:
        raise BadRow(f"its vertices have no property {column!r}")
    return None if found is None else np.asarray(raw[found]).reshape(-1)
