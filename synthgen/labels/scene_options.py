"""How scenes of several shapes are laid out and seen.

conditions: {scenes: {count: 200, objects: [3, 6]}}
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from ..options import Options


def _rise(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] > pair[1]:
        raise ValueError(f"[{pair[0]:g}, {pair[1]:g}] falls; write the smaller number first")
    return pair


Range = AfterValidator(_rise)


class SceneOptions(Options):
    """How scenes are laid out and seen. Lengths are relative to the objects, so that any unit will do."""

    count: int = Field(default=200, ge=1, le=10_000_000)
    """Scenes to make out of the accepted objects, where export.formats has `scenes`."""
    objects: Annotated[tuple[Annotated[int, Field(ge=1, le=32)], Annotated[int, Field(ge=1, le=32)]], Range] = (3, 6)
    """Fewest and most objects of a scene; one that finds no free place is left out."""
    crowding: float = Field(default=0.3, ge=0.01, le=0.6)
    """The share of the ground that the objects' footprints cover."""
    alike: float = Field(default=3.0, ge=1, le=1e6)
    """The objects of a scene are at most this many times larger or smaller than the first one."""
    distance: Annotated[
        tuple[Annotated[float, Field(ge=0.3, le=10)], Annotated[float, Field(ge=0.3, le=10)]], Range
    ] = (0.65, 0.9)
    """Of the camera; at 1 the scene just fits into the picture."""
    elevation: Annotated[tuple[Annotated[float, Field(ge=2, le=85)], Annotated[float, Field(ge=2, le=85)]], Range] = (
        18.0,
        45.0,
    )
    """Of the camera above the ground, in degrees."""
    fov: Annotated[tuple[Annotated[float, Field(ge=10, le=110)], Annotated[float, Field(ge=10, le=110)]], Range] = (
        45.0,
        60.0,
    )
    """The camera's horizontal field of view, in degrees."""
    width: int = Field(default=96, ge=8, le=1024)
    """Of the depth and instance maps, in pixels."""
    height: int = Field(default=72, ge=8, le=1024)
    """Of the depth and instance maps, in pixels."""
