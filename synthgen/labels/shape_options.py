"""What the label generator of 3D shapes may be told.

conditions: {balance: {chair: 3, table: 1}, parts: real, required: {chair: [armrest]}, yaw: none}
"""

from __future__ import annotations

from typing import Literal

from .options import ClassConditionOptions
from .scene_options import SceneOptions


class ShapeConditionOptions(ClassConditionOptions):
    """Which shapes to draw: class, parts, size and pose."""

    parts: Literal["real", "vary"] = "vary"
    """The boxes of the parts and how many points each has. `vary`: between two real rows of the class that have the
    same parts, nearer to the first. `real`: those of a real row."""
    required: dict[str, list[str]] = {}
    """Parts that every shape of a class must have, such as {chair: [armrest]}; only real rows that have them all are
    taken as examples."""
    size: Literal["real", "vary"] = "real"
    """`real`: the size of a real row with nearly the same size as the one whose parts are taken. `vary`: between the
    two."""
    yaw: Literal["any", "none"] = "any"
    """Pose: `any`: turned about the vertical axis by an angle drawn evenly from a whole turn. `none`: not turned."""
    scenes: SceneOptions = SceneOptions()  # type: ignore[call-arg]
    """Scenes of several of the accepted objects, for the format `scenes`."""
