"""3D shapes: points with their parts, a class, a pose, a box and a mesh.

Class, inventory of parts and pose come first and the points are drawn to them, so the annotation is right by
construction.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch

from ..boxes import bound_parts
from ..codecs.points import PointsCodec, fit_points_codec
from ..evaluation.shape_learners import ShapeLearner
from ..evaluation.shape_measures import MEANINGS, compare_shapes
from ..evaluation.shape_pictures import draw_mesh, draw_scene, draw_shapes, part_colours, shape_legend
from ..export.options import Facts
from ..export.parquet import fixed_lists
from ..export.scenes import write_scenes
from ..judges.points import fit_points_judge
from ..labels.class_mix import label_classes
from ..labels.inventories import build_inventories
from ..labels.pieces import add_pieces, first_pieces
from ..labels.poses import oriented_boxes, standing_poses, to_canonical, to_world
from ..labels.scenes import Shape, build_scene
from ..labels.shape_options import ShapeConditionOptions
from ..labels.surfaces import estimate_normals, mesh_bytes, part_of_faces, read_mesh_bytes, reconstruct_mesh
from ..networks.tokens import PointTokenOptions, TokenDenoiser, build_tokens
from ..sources import ShapeSourceOptions, describe_shapes, load_shapes
from ..task import Task
from ..types import Columns, Condition, Data

SCENES_SHOWN = 4  # pictures of scenes, for card and report


def load_with_pieces(options: ShapeSourceOptions, seed: int) -> Data:
    return add_pieces(load_shapes(options, seed))


def build_codec(data: Data, options: PointTokenOptions, folder: Path | None) -> PointsCodec:
    return fit_points_codec(data.train, data.details["pieces"])


def build_network(data: Data, codec: PointsCodec, options: PointTokenOptions) -> TokenDenoiser:
    return build_tokens((codec.shape[0], 3), options, classes=len(data.classes), elements=codec.told, numbers=1)


def name_axes(data: Data, codec: PointsCodec) -> dict[str, list[str]]:
    others = [f"place {number}" for number in range(codec.told - codec.parts)]
    parts = [f"part {name}" for name in data.details["parts"]][: codec.parts]
    return {"classes": list(data.classes), "elements": [*parts, *others]}


def stand_alone(rows: Columns, data: Data) -> Columns:
    """With the boxes of pieces; an object that was drawn stands in the middle of its world."""
    boxes = bound_parts(rows["points"], rows["piece"], len(data.details["pieces"]))
    return {**rows, "boxes": boxes, "center": np.zeros((len(boxes), 3), np.float32)}


def keep_rows(
    x: torch.Tensor, condition: Condition, names: tuple[str, ...], generator: torch.Generator
) -> tuple[torch.Tensor, Condition]:
    return x, condition


def annotate_rows(columns: Columns, data: Data) -> Columns:
    """Adds pose and box: the object stands on the ground z = 0, turned by its yaw."""
    points, size = columns["points"], columns["size"]
    pose = standing_poses(points, size, columns.get("yaw", np.zeros(len(points), np.float32)))
    boxes = {f"box_{name}": value for name, value in oriented_boxes(points, size, pose).items()}
    return {**columns, "pose": pose, **boxes}


def reconstruct_rows(rows: dict[str, list[Any]], data: Data) -> dict[str, Any]:
    """Normals and mesh of exported rows, in the world."""
    columns, pose = decode_rows(rows, data), np.array(rows["pose"], np.float32)
    points, part, size = (columns[name] for name in ("points", "part", "size"))
    normals = estimate_normals(points, part)
    meshes = []
    for row in range(len(points)):
        vertices, faces = reconstruct_mesh(points[row], normals[row], part[row])
        placed = to_world(vertices[None], size[row : row + 1], pose[row : row + 1])[0]
        meshes.append({"bytes": mesh_bytes(placed, faces), "path": "mesh.ply"})
    turned = np.einsum("nij,npj->npi", pose[:, :3, :3], normals).astype(np.float32)
    return {"normals": fixed_lists(turned), "mesh": meshes}


def describe_features(data: Data) -> datasets.Features:
    """Points, normals, box and mesh are in the world, in the units of the source; `pose` is object to world.

    `pieces` tells the points of a part's several pieces apart: the four legs are 0, 1, 2, 3.
    """
    number, count = datasets.Value("float32"), data.train["points"].shape[1]
    vector, four = datasets.List(number, length=3), datasets.List(number, length=4)
    return datasets.Features({
        "points": datasets.List(vector, length=count),
        "normals": datasets.List(vector, length=count),
        "parts": datasets.List(datasets.ClassLabel(names=list(data.details["parts"])), length=count),
        "pieces": datasets.List(datasets.Value("uint8"), length=count),
        "label": datasets.ClassLabel(names=list(data.classes)),
        "box": {"center": vector, "extents": vector, "yaw": number},
        "pose": datasets.List(four, length=4),
        "size": number,
        "mesh": datasets.Mesh(),
    })  # fmt: skip


def encode_rows(columns: Columns, data: Data) -> dict[str, Any]:
    boxes = zip(*(columns[f"box_{name}"].tolist() for name in ("center", "extents", "yaw")), strict=True)
    return {
        "points": fixed_lists(to_world(columns["points"], columns["size"], columns["pose"])),
        "parts": fixed_lists(columns["part"].astype(np.int64)),
        "pieces": fixed_lists(columns["piece"] - first_pieces(data.details["pieces"])[columns["part"]]),
        "label": columns["label"].tolist(),
        "box": [{"center": center, "extents": extents, "yaw": yaw} for center, extents, yaw in boxes],
        "pose": fixed_lists(columns["pose"]),
        "size": columns["size"].tolist(),
    }


def decode_rows(rows: dict[str, list[Any]], data: Data) -> Columns:
    """Back into the object's own frame."""
    world, pose, size = (np.array(rows[name], np.float32) for name in ("points", "pose", "size"))
    part = np.array(rows["parts"], np.uint8)
    return {
        "points": to_canonical(world, size, pose),
        "part": part,
        "piece": np.array(rows["pieces"], np.uint8) + first_pieces(data.details["pieces"])[part],
        "label": np.array(rows["label"], np.int64),
        "size": size,
    }


def write_scene_rows(
    folder: Path, batches: Iterator[dict[str, list[Any]]], data: Data, options: ShapeConditionOptions, facts: Facts
) -> list[Any]:
    """Scenes of the exported objects, in scenes/; gives pictures of the first ones."""
    pictures: list[Any] = []

    def show(scene: dict[str, Any]) -> dict[str, Any]:
        if len(pictures) < SCENES_SHOWN:
            pictures.append(draw_scene(scene))
        return scene

    pool = [shape for batch in batches for shape in _shapes(batch, data)]
    scenes = (show(build_scene(index, facts.seed, pool, options.scenes)) for index in range(options.scenes.count))
    names = {"classes": data.classes, "parts": data.details["parts"]}
    write_scenes(folder / "scenes", scenes, split=facts.split, **names)
    return pictures


def draw_meshes(rows: dict[str, list[Any]], data: Data) -> dict[str, list[Any]]:
    """The mesh of each exported row, coloured by part."""
    count = len(data.details["parts"])
    return {
        "synthetic: meshes": [
            draw_mesh(
                shape.vertices,
                shape.faces,
                part_colours(part_of_faces(shape.vertices, shape.faces, shape.points, shape.part), count),
            )
            for shape in _shapes(rows, data)
        ]
    }


def _shapes(batch: dict[str, list[Any]], data: Data) -> Iterator[Shape]:
    rows = decode_rows(batch, data)
    for row, (mesh, pose) in enumerate(zip(batch["mesh"], batch["pose"], strict=True)):
        vertices, faces = read_mesh_bytes(mesh["bytes"])
        size = rows["size"][row : row + 1]
        own = to_canonical(vertices[None], size, np.array(pose, np.float32)[None])[0]
        yield Shape(rows["points"][row], rows["part"][row], int(rows["label"][row]), float(size[0]), own, faces)


TASK = Task(
    name="shapes3d",
    summary="points with parts, class, pose, box and mesh",
    extra="3d",
    requires=("trimesh", "scipy", "skimage", "rtree"),
    builtins={"furniture": "parametric furniture, mugs and cars with named parts, drawn from random proportions"},
    source_options=ShapeSourceOptions,
    model_options=PointTokenOptions,
    condition_options=ShapeConditionOptions,
    hub_tags={"task_categories": ["text-to-3d"], "tags": ["3d", "point-cloud"]},
    describe=describe_shapes,
    load=load_with_pieces,
    codec=build_codec,
    network=build_network,
    axes=name_axes,
    as_training=stand_alone,
    mixes=("parts", "points", "pieces"),
    augment=keep_rows,
    labels=build_inventories,
    annotate=annotate_rows,
    fit_judge=fit_points_judge,
    learner=ShapeLearner,
    features=describe_features,
    encode=encode_rows,
    decode=decode_rows,
    draw=draw_shapes,
    legend=shape_legend,
    classes_of=label_classes,
    compare=compare_shapes,
    meanings=MEANINGS,
    formats={"scenes": write_scene_rows},
    late=("normals", "mesh"),
    complete=reconstruct_rows,
    draw_late=draw_meshes,
)
