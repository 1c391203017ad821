"""3D shapes: points with their parts, a class, a pose, a box and a mesh.

Class, inventory of parts and pose come first and the points are drawn to them, so the annotation is right by
construction. A pretrained base draws whole objects instead, as meshes: a judge then says the parts.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch

from ..boxes import bound_parts
from ..codecs.points import PointsCodec, fit_points_codec
from ..codecs.shape_latents import ShapeLatentCodec, open_shape_latents
from ..errors import UserError
from ..evaluation.shape_learners import ShapeLearner
from ..evaluation.shape_measures import MEANINGS, compare_shapes
from ..evaluation.shape_pictures import draw_mesh, draw_scene, draw_shapes, part_colours, shape_legend
from ..export.options import Facts
from ..export.parquet import fixed_lists
from ..export.scenes import write_scenes
from ..judges.points import fit_points_judge
from ..labels.class_mix import label_classes
from ..labels.inventories import build_inventories
from ..labels.judged_parts import find_surfaces, mark_parts
from ..labels.pieces import add_pieces, first_pieces
from ..labels.poses import oriented_boxes, standing_poses, to_canonical, to_world
from ..labels.scenes import Shape, build_scene
from ..labels.shape_options import ShapeConditionOptions
from ..labels.surfaces import estimate_normals, normals_of_faces, part_of_faces, reconstruct_mesh
from ..networks.bases import is_foreign
from ..networks.pretrained_shapes import ShapeLatentDenoiser, ShapeOptions, load_shape_denoiser
from ..networks.tokens import TokenDenoiser, build_tokens
from ..soups import mesh_bytes, read_mesh_bytes
from ..sources import ShapeSourceOptions, describe_shapes, load_shapes
from ..task import Task
from ..types import Check, Columns, Condition, Data

SCENES_SHOWN = 4  # pictures of scenes, for card and report


def load_with_pieces(options: ShapeSourceOptions, seed: int) -> Data:
    return add_pieces(load_shapes(options, seed))


def build_codec(data: Data, options: ShapeOptions, folder: Path | None) -> PointsCodec | ShapeLatentCodec:
    if is_foreign(options, folder):
        return open_shape_latents(options, data.classes, data.train["points"].shape[1], folder, estimate_normals)
    return fit_points_codec(data.train, data.details["pieces"])


def build_network(data: Data, codec: Any, options: ShapeOptions) -> TokenDenoiser | ShapeLatentDenoiser:
    if isinstance(codec, ShapeLatentCodec):
        assert options.base is not None
        return load_shape_denoiser(
            options.base, options.revision, options.write_prompts(data.classes), adapt=options.adapt or "lora",
            rank=options.rank, alpha=options.alpha, targets=options.targets,
        )  # fmt: skip
    return build_tokens((codec.shape[0], 3), options, classes=len(data.classes), elements=codec.told, numbers=1)


def name_axes(data: Data, codec: Any) -> dict[str, list[str]]:
    if not isinstance(codec, PointsCodec):
        return {"classes": list(data.classes)}
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


def refuse_parts(model: ShapeOptions, conditions: ShapeConditionOptions) -> None:
    """A UserError if parts are asked for of a base, which draws whole objects."""
    if model.base is not None and conditions.required:
        raise UserError(
            f"conditions.required: {model.base} draws whole objects and cannot be asked for parts; leave it out, or "
            "set model.base to null"
        )


def name_judged(model: ShapeOptions, data: Data) -> tuple[str, ...]:
    return ("parts", "pieces") if model.base is not None and len(data.details["parts"]) > 1 else ()


def annotate_rows(columns: Columns, data: Data) -> Columns:
    """Adds pose and box: the object stands on the ground z = 0, turned by its yaw."""
    points, size = columns["points"], columns["size"]
    pose = standing_poses(points, size, columns.get("yaw", np.zeros(len(points), np.float32)))
    boxes = {f"box_{name}": value for name, value in oriented_boxes(points, size, pose).items()}
    return {**columns, "pose": pose, **boxes}


def complete_rows(rows: dict[str, list[Any]], data: Data) -> dict[str, Any]:
    """Normals and mesh of exported rows, in the world: from the mesh that was drawn, or else from the points."""
    columns, pose = decode_rows(rows, data), np.array(rows["pose"], np.float32)
    points, part, size = (columns[name] for name in ("points", "part", "size"))
    normals, meshes = np.empty(points.shape, np.float32), list(rows["mesh"])
    for row, mesh in enumerate(meshes):
        if mesh is not None:
            normals[row] = normals_of_faces(*read_mesh_bytes(mesh["bytes"]), np.asarray(rows["points"][row]))
            continue
        own = estimate_normals(points[row : row + 1], part[row : row + 1])[0]
        vertices, faces = reconstruct_mesh(points[row], own, part[row])
        meshes[row] = _place_mesh(vertices, faces, size[row], pose[row])
        normals[row] = own @ pose[row, :3, :3].T
    return {"normals": fixed_lists(normals), "mesh": meshes}


def _place_mesh(vertices: np.ndarray, faces: np.ndarray, size: float, pose: np.ndarray) -> dict[str, Any]:
    """A mesh of an object's own frame, put into the world, as the storage of `datasets.Mesh`."""
    placed = to_world(vertices[None], np.array([size]), pose[None])[0]
    return {"bytes": mesh_bytes(placed, faces), "path": "mesh.ply"}


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
        "mesh": _encode_meshes(columns),
    }


def _encode_meshes(columns: Columns) -> list[dict[str, Any] | None]:
    """The meshes that were drawn; None for rows of points."""
    drawn = columns.get("mesh", np.full(len(columns["size"]), None))
    triples = zip(drawn, columns["size"], columns["pose"], strict=True)
    return [None if mesh is None else _place_mesh(*read_mesh_bytes(mesh), size, pose) for mesh, size, pose in triples]


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
    model_options=ShapeOptions,
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
    checks=lambda data: (Check("surface", "the model drew nothing with a surface", find_surfaces),),
    refuse=refuse_parts,
    mark=mark_parts,
    judged=name_judged,
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
    late=("normals",),
    complete=complete_rows,
    draw_late=draw_meshes,
)
