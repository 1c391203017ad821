"""Pictures of point clouds, meshes and scenes, coloured so that a person can judge parts, surfaces and boxes.

Clouds and meshes are seen from the front, right and above (front is -y, up is +z); scenes through their own camera.
Knows arrays and colours: neither tasks nor files.

    pictures = draw_shapes(columns, data)                                     # one 144 × 144 picture a row
    legend = shape_legend(data)                                               # the parts' colours
    draw_mesh(vertices, faces, part_colours(parts, len(data.details["parts"])))
    draw_scene(scene)                                                         # points and boxes | depth | objects
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from ..types import Columns, Data
from .pictures import GAP, PAPER, Colour, class_colours

SIDE = 144  # pixels of a finished picture
FINER = 2  # times as many while drawing
ROOM = 0.92  # of the picture that a shape may fill
LARGEST_ZOOM = 1.45  # of a small shape, against one that fills the unit ball
AZIMUTH, ELEVATION = np.deg2rad(35), np.deg2rad(24)
LIGHT = np.array([-0.45, 0.65, 0.61])  # from the left above, in the viewer's frame: right, up, towards the viewer
AMBIENT = 0.5
FADE = 0.28  # how much of the paper shows through the farthest point
DOT = 3.6  # radius of a point of a cloud of 1,024, in pixels
BALL = 0.75  # radius of a point of a scene, in box diagonals over the root of the number of points
SHADOW: Colour = (226, 229, 233)
GROUND: Colour = (222, 225, 229)

PANEL = 288  # height of the panels of a scene
NEAR_TO_FAR = ((253, 231, 37), (122, 209, 81), (34, 168, 132), (42, 120, 142), (65, 68, 135), (68, 1, 84))  # viridis
EDGES = ((0, 1), (1, 3), (3, 2), (2, 0), (4, 5), (5, 7), (7, 6), (6, 4), (0, 4), (1, 5), (2, 6), (3, 7))


def shape_legend(data: Data) -> list[tuple[str, Colour]]:
    """(part, colour) of the pictures."""
    names = data.details["parts"]
    return list(zip(names, class_colours(len(names)), strict=True))


def part_colours(part: np.ndarray, count: int) -> np.ndarray:
    """uint8 (…, 3): the colours of parts `part` (…) out of `count`."""
    colours: np.ndarray = np.array(class_colours(count), np.uint8)[part]
    return colours


def draw_shapes(columns: Columns, data: Data) -> list[Image.Image]:
    """One picture a row of `points` (N, P, 3) coloured by `part` (N, P), 144 × 144."""
    count = len(data.details["parts"])
    return [
        draw_points(points, part_colours(part, count))
        for points, part in zip(columns["points"], columns["part"], strict=True)
    ]


def draw_points(points: np.ndarray, colours: np.ndarray) -> Image.Image:
    """A picture of a cloud (P, 3) in canonical coordinates with colours uint8 (P, 3): small balls over their shadow."""
    floor = points * np.array([1, 1, 0]) + np.array([0, 0, points[:, 2].min()])
    seen, shadow = _look(points), _look(floor)
    middle, scale = _fit(np.concatenate([seen, shadow]), SIDE * FINER / 2)
    radius = DOT * FINER * np.clip((1024 / len(points)) ** 0.5, 0.35, 3)
    canvas = np.empty((SIDE * FINER,) * 2 + (3,), np.float32)
    canvas[:] = PAPER
    _splat(canvas, (shadow[:, :2] - middle) * scale, None, np.array(SHADOW), radius)
    _splat(canvas, (seen[:, :2] - middle) * scale, seen[:, 2], colours, radius)
    return _finish(canvas)


def draw_mesh(vertices: np.ndarray, faces: np.ndarray, colours: np.ndarray) -> Image.Image:
    """A picture of a mesh in canonical coordinates with colours uint8 (F, 3): flat triangles, the farthest first."""
    seen = _look(vertices)
    middle, scale = _fit(seen, SIDE * FINER / 2)
    half = SIDE * FINER / 2
    flat = np.column_stack([half + (seen[:, 0] - middle[0]) * scale, half - (seen[:, 1] - middle[1]) * scale])
    corners = seen[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    paint = _shade(colours.astype(np.float32), normals, corners[:, :, 2].mean(1))
    picture = Image.new("RGB", (SIDE * FINER,) * 2, PAPER)
    pen = ImageDraw.Draw(picture)
    front = np.flatnonzero(normals[:, 2] > 0)
    order = front[np.argsort(corners[front, :, 2].mean(1), kind="stable")]
    for triangle, colour in zip(flat[faces[order]].reshape(-1, 6).tolist(), paint[order].tolist(), strict=True):
        pen.polygon(triangle, fill=(int(colour[0]), int(colour[1]), int(colour[2])))
    return picture.reduce(FINER)


def draw_scene(scene: Mapping[str, Any]) -> Image.Image:
    """A scene of `labels.scenes.build_scene`: its points and boxes from its camera, the depth map, the instance map.

    Points and boxes have the colour of their class, the regions of the instance map one each; depth is bright near by.
    """
    panels = [_draw_view(scene), _draw_depth(scene["depth"]), _draw_instances(scene["instance"], scene["depth"])]
    width = PANEL * scene["depth"].shape[1] // scene["depth"].shape[0]
    sheet = Image.new("RGB", (3 * width + 2 * GAP, PANEL), PAPER)
    for number, panel in enumerate(panels):
        sheet.paste(panel.resize((width, PANEL), Image.Resampling.NEAREST), (number * (width + GAP), 0))
    return sheet


@cache
def _viewer() -> np.ndarray:
    """Rows: the viewer's right, up and the way towards the viewer."""
    right = np.array([np.cos(AZIMUTH), np.sin(AZIMUTH), 0])
    towards = np.array([np.sin(AZIMUTH) * np.cos(ELEVATION), -np.cos(AZIMUTH) * np.cos(ELEVATION), np.sin(ELEVATION)])
    return np.stack([right, np.cross(towards, right), towards])


def _look(points: np.ndarray) -> np.ndarray:
    """Points (P, 3) in the viewer's frame: right, up, towards the viewer."""
    seen: np.ndarray = points.astype(np.float64) @ _viewer().T
    return seen


def _fit(seen: np.ndarray, half: float) -> tuple[np.ndarray, float]:
    """(middle, pixels a unit) that bring a shape into a picture of 2 · half pixels."""
    low, high = seen[:, :2].min(0), seen[:, :2].max(0)
    return (low + high) / 2, half * min(ROOM * 2 / max(float((high - low).max()), 1e-6), LARGEST_ZOOM)


def _shade(colours: np.ndarray, normals: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Lambert's law with a bright ambient light; what is farther away (less `height`) is paler."""
    light = AMBIENT + (1 - AMBIENT) * np.clip(normals @ LIGHT, 0, 1)
    glint = 40 * np.clip(normals @ LIGHT, 0, 1) ** 8
    span = max(float(np.ptp(height)), 1e-6)
    fade = FADE * (height.max() - height) / span
    lit = np.clip(colours * light[..., None] + glint[..., None], 0, 255)
    shaded: np.ndarray = lit * (1 - fade[:, None]) + np.array(PAPER) * fade[:, None]
    return shaded


@cache
def _disc(radius: float) -> tuple[np.ndarray, np.ndarray]:
    """(offsets int64 (K, 2) as right and down, normals (K, 3) of the ball above them)."""
    reach = int(np.ceil(radius))
    right, down = (axis.ravel() for axis in np.mgrid[-reach : reach + 1, -reach : reach + 1])
    inside = right**2 + down**2 <= radius**2
    offsets = np.stack([right[inside], down[inside]], 1)
    flat = offsets / radius
    rise = np.sqrt(np.clip(1 - (flat**2).sum(1), 0, 1))
    return offsets, np.column_stack([flat[:, 0], -flat[:, 1], rise])


def _splat(
    canvas: np.ndarray, places: np.ndarray, height: np.ndarray | None, colours: np.ndarray, radius: float
) -> None:
    """Paint balls at `places` (P, 2) from the middle of the canvas, right and up; the highest hide the others.

    Without `height` they are flat discs of one colour.
    """
    offsets, normals = _disc(round(radius, 2))
    rows, columns = canvas.shape[:2]
    border = int(np.ceil(radius))
    wide = columns + 4 * border
    across = np.rint(columns / 2 + places[:, 0]).astype(np.int64) + border
    down = np.rint(rows / 2 - places[:, 1]).astype(np.int64) + border
    seen = (across >= 0) & (across < columns + 2 * border) & (down >= 0) & (down < rows + 2 * border)
    order = np.flatnonzero(seen)
    if height is not None:
        order = order[np.argsort(height[order], kind="stable")]
    middle = (down[order] + border) * wide + across[order] + border
    top = np.full((rows + 4 * border) * wide, -1, np.int64)
    painted = middle[:, None] + (offsets[:, 1] * wide + offsets[:, 0])
    np.maximum.at(top, painted.ravel(), np.arange(painted.size))
    inner = top.reshape(-1, wide)[2 * border : -2 * border, 2 * border : -2 * border].ravel()
    drawn = np.flatnonzero(inner >= 0)
    which, offset = np.divmod(inner[drawn], len(offsets))
    flat = canvas.reshape(-1, 3)
    if height is None:
        flat[drawn] = colours
    elif len(drawn):
        flat[drawn] = _shade(colours[order[which]].astype(np.float32), normals[offset], height[order[which]])


def _finish(canvas: np.ndarray) -> Image.Image:
    return Image.fromarray(canvas.round().astype(np.uint8)).reduce(FINER)


def _project(points: np.ndarray, camera: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """(pixels (P, 2), depth (P,)) of points (P, 3) of the world."""
    extrinsics, intrinsics = np.asarray(camera["extrinsics"], np.float64), np.asarray(camera["intrinsics"], np.float64)
    seen = points @ extrinsics[:3, :3].T + extrinsics[:3, 3]
    flat = seen @ intrinsics.T
    return flat[:, :2] / np.maximum(flat[:, 2:], 1e-6), seen[:, 2]


def _draw_view(scene: Mapping[str, Any]) -> Image.Image:
    camera = scene["camera"]
    scale = PANEL * FINER / camera["height"]
    size = (round(camera["width"] * scale), PANEL * FINER)
    count = 1 + max([int(scene["class"].max()), *(box["class"] for box in scene["boxes"])])
    colours = np.array(class_colours(count), np.uint8)
    canvas = np.empty((size[1], size[0], 3), np.float32)
    canvas[:] = PAPER
    canvas[_enlarge((scene["depth"] > 0), size)] = GROUND
    pixels, depth = _project(scene["points"].astype(np.float64), camera)
    places = (pixels * scale - np.array(size) / 2) * np.array([1, -1])
    distances = [float(depth[scene["object"] == number].mean()) for number in range(1, len(scene["boxes"]) + 1)]
    for number in np.argsort(distances)[::-1].tolist():
        mine = (scene["object"] == number + 1) & (depth > 1e-3)
        box = scene["boxes"][number]
        ball = BALL * np.linalg.norm(box["extents"]) / max(mine.sum(), 1) ** 0.5  # as wide as the points are apart
        radius = float(np.clip(ball * camera["intrinsics"][0][0] * scale / distances[number], 2, 24))
        _splat(canvas, places[mine], -depth[mine], colours[[box["class"]] * int(mine.sum())], radius)
    picture = Image.fromarray(canvas.round().astype(np.uint8))
    pen = ImageDraw.Draw(picture)
    for box in scene["boxes"]:
        corners, depths = _project(_corners(box), camera)
        if depths.min() > 1e-3:
            for one, other in EDGES:
                line = [*(corners[one] * scale).tolist(), *(corners[other] * scale).tolist()]
                pen.line(line, fill=tuple(colours[box["class"]].tolist()), width=FINER + 1)
    return picture.reduce(FINER)


def _corners(box: Mapping[str, Any]) -> np.ndarray:
    """(8, 3): corner 4a + 2b + c is at the far end of x, y and z where a, b and c are 1."""
    signs = np.stack(np.meshgrid(*[[-0.5, 0.5]] * 3, indexing="ij"), -1).reshape(8, 3)
    x, y, z = (signs * np.asarray(box["extents"])).T
    cosine, sine = np.cos(box["yaw"]), np.sin(box["yaw"])
    turned = np.column_stack([cosine * x - sine * y, sine * x + cosine * y, z])
    return turned + np.asarray(box["center"])


def _enlarge(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(Image.fromarray(mask.astype(np.uint8)).resize(size, Image.Resampling.NEAREST)) > 0


def _draw_depth(depth: np.ndarray) -> Image.Image:
    known = depth > 0
    low, high = (float(depth[known].min()), float(depth[known].max())) if known.any() else (0.0, 1.0)
    # by the inverse: half of the colours for the nearest objects, not for the far ground
    inverse = (1 / np.maximum(depth, 1e-6) - 1 / high) / max(1 / max(low, 1e-6) - 1 / high, 1e-9)
    stops = np.linspace(1, 0, len(NEAR_TO_FAR))[::-1]
    channels = [np.interp(inverse, stops, [colour[i] for colour in NEAR_TO_FAR[::-1]]) for i in range(3)]
    picture = np.where(known[..., None], np.stack(channels, -1), np.array(PAPER))
    return Image.fromarray(picture.round().astype(np.uint8))


def _draw_instances(instance: np.ndarray, depth: np.ndarray) -> Image.Image:
    colours = np.array([PAPER, *class_colours(int(instance.max()))], np.uint8)
    picture = colours[instance]
    picture[(instance == 0) & (depth > 0)] = GROUND
    return Image.fromarray(picture)
