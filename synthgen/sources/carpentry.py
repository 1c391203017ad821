"""How each class of furniture is made: one function that draws sizes and styles and gives (part, triangles) pairs.

Objects stand on the ground (z = 0) in metres, z up, and look towards -y. Knows no points, no rows and no files.

    pieces = BUILDERS["chair"](np.random.default_rng(0))      # [("seat", triangles), ("leg", triangles), ...]
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .joinery import INSIDE, Draw, Pieces, draw_outline, four_legs, happens, one_of, star_foot
from .surfaces import Soup, bar, block, lathe, lean, loft, move, prism, rectangle, spin, stand, tube


def _chair(draw: Draw) -> Pieces:
    width, depth, height = draw.uniform((0.38, 0.38, 0.38), (0.56, 0.54, 0.52))
    thick = draw.uniform(0.025, 0.09)
    shape = one_of(draw, "square", "soft", "round")
    inside = INSIDE[shape]
    pieces: Pieces = [("seat", prism(draw_outline(draw, shape, width, depth), height - thick, height, 0.3 * thick))]
    under = height - thick
    legs = one_of(draw, "four", "four", "star", "sled")
    radius = draw.uniform(0.014, 0.028)
    if legs == "four":
        pieces += four_legs(draw, width * inside, depth * inside, under, radius)
    elif legs == "star":
        pieces += star_foot(draw, width * draw.uniform(0.45, 0.6), under, radius * 1.4)
    else:
        y, z = inside * depth / 2 - radius, radius
        path = np.array([(0, -y, under), (0, -y, z + 0.04), (0, -y + 0.04, z), (0, y, z)])
        end = np.array([(0, y, under)]) if happens(draw, 0.5) else np.zeros((0, 3))
        frame = tube(np.concatenate([path, end]), radius, 8)
        pieces += [("leg", move(frame, (side * (inside * width / 2 - 1.5 * radius), 0, 0))) for side in (-1, 1)]
    pieces += _chair_back(draw, width * inside, depth * inside, height)
    if happens(draw, 0.35):
        pieces += _chair_arms(draw, width, depth, height)
    return pieces


def _chair_back(draw: Draw, width: float, depth: float, height: float) -> Pieces:
    """A panel, bars across, or bars upright between two posts; leaning backwards."""
    tall, thick, angle = draw.uniform((0.28, 0.02, 0.0), (0.62, 0.05, 0.3))
    wide, y = width * draw.uniform(0.8, 1.0), depth / 2 - thick
    style = one_of(draw, "panel", "panel", "ladder", "spindles")
    gap = draw.uniform(0.0, 0.12) if style == "panel" else 0.0
    pieces: list[Soup] = []
    if style == "panel":
        outline = rectangle(wide, tall - gap, draw.uniform(0.0, 0.45) * min(wide, tall - gap))
        panel = prism(outline, -thick / 2, thick / 2, 0.2 * thick)
        pieces.append(move(stand(panel), (0, y, height + (tall + gap) / 2)))
    if style != "panel" or gap > 0.02:
        posts = tall if style != "panel" else gap + 0.05
        for side in (-1, 1):
            x = side * (wide / 2 - thick / 2) * (1.0 if style != "panel" else 0.6)
            pieces.append(bar((x, y, height - 0.02), (x, y, height + posts), thick * 0.5))
    if style == "ladder":
        for z in np.linspace(0.3, 0.95, int(draw.integers(2, 5))) * tall + height:
            rung = draw.uniform(0.02, 0.035)
            pieces.append(block((-wide / 2, y - thick * 0.35, z - rung), (wide / 2, y + thick * 0.35, z + rung)))
    if style == "spindles":
        top = height + tall
        pieces.append(block((-wide / 2, y - thick / 2, top - 0.06), (wide / 2, y + thick / 2, top), 0.005))
        for x in np.linspace(-0.5, 0.5, int(draw.integers(3, 7)) + 2)[1:-1] * wide:
            pieces.append(bar((x, y, height - 0.02), (x, y, top - 0.03), thick * 0.3))
    return [("backrest", lean(piece, angle, (0, y, height))) for piece in pieces]


def _chair_arms(draw: Draw, width: float, depth: float, height: float) -> Pieces:
    rise, thick = draw.uniform((0.16, 0.018), (0.26, 0.035))
    front = draw.uniform(-0.35, -0.15) * depth
    pieces: Pieces = []
    for side in (-1, 1):
        x = side * (width / 2 + thick * 0.5)
        low, high = (x - thick, front, height + rise - thick), (x + thick, depth / 2, height + rise)
        pieces.append(("armrest", block(low, high, 0.2 * thick)))
        pieces.append(("armrest", bar((side * 0.44 * width, front, height - 0.03), (x, front, high[2]), thick * 0.6)))
    return pieces


def _table(draw: Draw) -> Pieces:
    width, height, thick = draw.uniform((0.55, 0.34, 0.02), (1.9, 0.80, 0.07))
    depth = width * draw.uniform(0.45, 1.0)
    shape = one_of(draw, "square", "square", "soft", "round", "oval")
    if shape == "round":
        depth = width = min(width, 1.3)
    outline = draw_outline(draw, shape, width, depth)
    pieces: Pieces = [("top", prism(outline, height - thick, height, draw.uniform(0.0, 0.4) * thick))]
    under, radius = height - thick, draw.uniform(0.02, 0.045)
    inside = INSIDE[shape] * draw.uniform(0.88, 1.0)
    style = one_of(draw, "four", "four", "three" if shape == "round" else "panels", "star" if width < 1.2 else "four")
    if style == "four":
        pieces += four_legs(draw, width * inside, depth * inside, under, radius)
    elif style == "three":
        reach, splay = 0.36 * width, draw.uniform(0.0, 0.15) * height
        leg = bar((0, -reach, under), (0, -reach - splay, 0), radius, radius * draw.uniform(0.5, 1.0))
        pieces += [("leg", spin(leg, number * 2 * np.pi / 3)) for number in range(3)]
    elif style == "star":
        pieces += star_foot(draw, min(width, depth) * draw.uniform(0.3, 0.42), under, radius * 1.5)
    else:
        x, y = width * inside / 2, depth * inside * draw.uniform(0.3, 0.48)
        panel = block((x - 1.2 * radius, -y, 0), (x, y, under))
        pieces += [("leg", spin(panel, angle)) for angle in (0, np.pi)]
    if style != "star" and happens(draw, 0.35):
        wide, deep = 0.5 * width * inside, 0.5 * depth * inside
        z = under * draw.uniform(0.2, 0.55)
        pieces.append(("board", prism(draw_outline(draw, shape, 2 * wide, 2 * deep), z, z + 0.02)))
    return pieces


def _lamp(draw: Draw) -> Pieces:
    standing = happens(draw, 0.5)
    height = draw.uniform(1.25, 1.75) if standing else draw.uniform(0.32, 0.62)
    reach = height * (draw.uniform(0.08, 0.13) if standing else draw.uniform(0.16, 0.24))
    stem = height * (draw.uniform(0.008, 0.016) if standing else draw.uniform(0.02, 0.035))
    top = height * (draw.uniform(0.72, 0.82) if standing else draw.uniform(0.5, 0.65))
    base = one_of(draw, "disc", "square", "dome", "tripod")
    low = 0.03 * height
    pieces: Pieces = []
    if base == "tripod":
        low = top * draw.uniform(0.3, 0.7)
        foot = bar((0, 0, low), (0, -reach * 1.5, 0), stem * 0.9, stem * 0.6)
        turned = draw.uniform(0, 2 * np.pi)
        pieces += [("base", spin(foot, turned + number * 2 * np.pi / 3)) for number in range(3)]
    elif base == "square":
        pieces.append(("base", prism(rectangle(1.7 * reach, 1.7 * reach, 0.1 * reach), 0, low)))
    else:
        dome = [(reach, 0), (reach * 0.9, low * 0.8), (reach * 0.55, low * 1.6), (stem, low * 2)]
        pieces.append(("base", lathe([(reach, 0), (reach, low)] if base == "disc" else dome)))
    pole = one_of(draw, "straight", "straight", "vase", "bent")
    shift = 0.0
    if pole == "vase" and base != "tripod" and not standing:
        belly = np.linspace(0, 1, 9)
        round_part = stem + height * draw.uniform(0.06, 0.13) * np.sin(np.pi * belly ** draw.uniform(0.6, 1.4))
        pieces.append(("pole", lathe(list(zip(round_part, low + (top - low) * belly, strict=True)), 16)))
    elif pole == "bent":
        shift = -reach * draw.uniform(0.8, 1.8)
        angle = np.linspace(0, np.pi / 2, 5)
        arc = np.column_stack([0 * angle, shift * (1 - np.cos(angle)), top + 0.5 * abs(shift) * (np.sin(angle) - 1)])
        pieces.append(("pole", tube(np.concatenate([[(0, 0, low)], arc]), stem, 8)))
    else:
        pieces.append(("pole", lathe([(stem, low), (stem, top)], 10)))
    return [*pieces, ("shade", move(_shade(draw, height, top, standing), (0, shift, 0)))]


def _shade(draw: Draw, height: float, top: float, standing: bool) -> Soup:
    """A ball, or a shell open above and below, that hides the end of the pole."""
    wide = height * (draw.uniform(0.1, 0.17) if standing else draw.uniform(0.2, 0.34))
    low = top - draw.uniform(0.0, 0.04) * height
    style = one_of(draw, "cone", "drum", "ball", "bell")
    tall = min(height - low, 2.2 * wide)
    if style == "ball":
        angle = np.linspace(-1.5, 1.5, 11)
        size = tall / 2
        return lathe(list(zip(size * np.cos(angle), low + size * (1 + np.sin(angle)), strict=True)))
    narrow = {"cone": draw.uniform(0.3, 0.7), "drum": 1.0, "bell": draw.uniform(0.2, 0.35)}[style]
    height_share = np.linspace(0, 1, 5)
    bend = height_share if style != "bell" else np.sqrt(height_share) * 0.4 + height_share**3 * 0.6
    radius = wide * (1 - (1 - narrow) * bend)
    outer = list(zip(radius, low + tall * height_share, strict=True))
    inner = list(zip(radius - 0.02 * wide, low + tall * height_share, strict=True))
    return lathe([*outer, *inner[::-1], outer[0]], capped=False)


def _shelf(draw: Draw) -> Pieces:
    width, depth, height = draw.uniform((0.45, 0.2, 0.6), (1.4, 0.45, 2.1))
    thick, low = draw.uniform((0.015, 0.02), (0.035, 0.12))
    levels = int(np.clip(round(height / draw.uniform(0.28, 0.45)) + 1, 3, 7))
    heights = np.linspace(low, height - thick, levels)
    heights[1:-1] += draw.uniform(-0.2, 0.2, levels - 2) * (heights[1] - heights[0])
    x, y = width / 2, depth / 2
    posts = happens(draw, 0.35)
    pieces: Pieces = [("board", block((-x, -y, z), (x, y, z + thick))) for z in heights]
    for side in (-1, 1):
        edge = side * (x + thick / 2)
        if posts:
            post = max(0.7 * thick, 0.014)
            bars = (block((edge - post, end - post, 0), (edge + post, end + post, height)) for end in (-y, y))
            pieces += [("side", soup) for soup in bars]
        else:
            pieces.append(("side", block((edge - thick / 2, -y, 0), (edge + thick / 2, y, height))))
    if not posts and width > 0.8 and happens(draw, 0.5):
        middle = width * draw.uniform(-0.15, 0.15)
        pieces.append(("side", block((middle - thick / 2, -y, low), (middle + thick / 2, y, height - thick))))
    if happens(draw, 0.3 if posts else 0.65):
        pieces.append(("back", block((-x, y - 0.008, low), (x, y, height))))
    return pieces


def _mug(draw: Draw) -> Pieces:
    height = draw.uniform(0.06, 0.125)
    radius = height * draw.uniform(0.36, 0.58)
    wall = draw.uniform(0.003, 0.006)
    share = np.linspace(0, 1, 9)
    flare, belly = draw.uniform(-0.12, 0.22), draw.uniform(-0.06, 0.16) if happens(draw, 0.6) else 0.0
    profile = radius * (1 + flare * (share - 0.5) + belly * np.sin(np.pi * share))
    if happens(draw, 0.25):  # a rounded foot
        profile[:3] *= (0.72, 0.9, 0.98)
    outer = list(zip(profile, height * share, strict=True))
    inner = list(zip(profile[1:] - wall, height * share[1:], strict=True))[::-1]
    body = lathe([*outer, *inner, (profile[0] - wall, wall), outer[0]], 28, capped=False)
    bottom = lathe([(profile[0] - wall * 0.5, 0), (profile[0] - wall * 0.5, wall)], 28)
    low, high = height * draw.uniform(0.1, 0.25), height * draw.uniform(0.72, 0.92)
    reach = (high - low) * draw.uniform(0.4, 0.75)
    angle = np.linspace(-np.pi / 2, np.pi / 2, 11)
    square = draw.uniform(0.35, 1.0)  # the exponent of a superellipse: 1 is an ellipse, less has corners
    out = reach * np.cos(angle) ** square
    up = (low + high) / 2 + (high - low) / 2 * np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** square
    start = np.interp(up, height * share, profile) - 0.5 * wall
    path = np.column_stack([start.min() + out + (start - start.min()) * (1 - out / reach), 0 * up, up])
    return [("body", body), ("bottom", bottom), ("handle", tube(path, height * draw.uniform(0.045, 0.075), 8))]


def _car(draw: Draw) -> Pieces:
    style = one_of(draw, "saloon", "hatch", "van", "pickup")
    length, width = draw.uniform(3.5, 5.2), draw.uniform(1.55, 1.95)
    wheel = draw.uniform(0.28, 0.38)
    floor, waist = wheel * draw.uniform(0.55, 0.9), draw.uniform(0.8, 1.0)
    roof = {"saloon": 0.55, "hatch": 0.62, "van": 0.95, "pickup": 0.7}[style] * draw.uniform(0.9, 1.1) + waist
    nose, tail = draw.uniform(0.06, 0.2) * length, draw.uniform(0.01, 0.04) * length
    front, rear = -length / 2, length / 2
    under = [(front, floor + 0.1), (front + 0.08, floor), (rear - 0.05, floor), (rear, floor + 0.15)]
    over = [(rear - tail, waist), (front + nose, waist * 0.97), (front + 0.1, waist * 0.82)]
    # The outline lies in (y, z); prisms grow along z, so the axes are turned once around: (a, b, c) -> (c, a, b).
    body = prism(np.array(under + over), -width / 2, width / 2, 0.06)[..., [2, 0, 1]]
    bottom, top = {  # where the cabin begins and ends, as shares of the length
        "saloon": ((0.28, 0.84), (0.42, 0.7)),
        "hatch": ((0.26, 0.98), (0.4, 0.88)),
        "van": ((0.12, 0.985), (0.24, 0.97)),
        "pickup": ((0.24, 0.6), (0.36, 0.57)),
    }[style]
    moved = draw.uniform(-0.03, 0.03) if style != "van" else 0.0
    rings = []
    for (start, end), z, narrow in ((bottom, waist - 0.03, 0.94), (top, roof, draw.uniform(0.72, 0.86))):
        start, end = front + (start + moved) * length, front + min(end + moved, 0.985) * length
        x = width / 2 * narrow
        rings.append([(-x, start, z), (x, start, z), (x, end, z), (-x, end, z)])
    pieces: Pieces = [("body", body), ("cabin", loft(np.array(rings)))]
    if style == "pickup":
        wall = front + bottom[1] * length
        for x in (-0.46 * width, 0.46 * width):
            low, high = (x - 0.04, wall, waist - 0.02), (x + 0.04, rear - tail - 0.05, waist + 0.2)
            pieces.append(("body", block(low, high)))
    tyre = move(lathe([(wheel * 0.9, 0), (wheel, 0.04), (wheel, 0.18), (wheel * 0.9, 0.22)], 18), (0, 0, -0.11))
    axle = (front + length * draw.uniform(0.17, 0.22), rear - length * draw.uniform(0.17, 0.23))
    for x in (-1, 1):
        pieces += [("wheel", move(tyre[..., [2, 0, 1]], (x * (width / 2 - 0.09), y, wheel))) for y in axle]
    return pieces


def _bed(draw: Draw) -> Pieces:
    width, length = draw.uniform(0.85, 1.9), draw.uniform(1.85, 2.15)
    thick, frame = draw.uniform((0.12, 0.08), (0.28, 0.22))
    x, y, rim = width / 2, length / 2, draw.uniform(0.02, 0.08)
    raised = happens(draw, 0.65)
    low = draw.uniform(0.1, 0.28) if raised else 0.0
    top = low + frame
    pieces: Pieces = [("frame", block((-x - rim, -y - rim, low), (x + rim, y + rim, top)))]
    pieces.append(("mattress", move(prism(rectangle(width, length, 0.08), 0, thick, 0.035), (0, 0, top - 0.02))))
    if raised:
        pieces += four_legs(draw, width + 2 * rim, length + 2 * rim, low, draw.uniform(0.025, 0.05))
    rise = top + thick + draw.uniform(0.2, 0.6)
    pieces += [("headboard", piece) for piece in _headboard(draw, x + rim, y + rim, top, rise)]
    if happens(draw, 0.3):
        pieces.append(("frame", block((-x - rim, -y - rim - 0.05, low), (x + rim, -y - rim, top + thick + 0.08))))
    count = 1 if width < 1.25 else 2
    wide, deep = min(0.75, width / count * 0.82), draw.uniform(0.32, 0.45)
    cushion = prism(rectangle(wide, deep, 0.1), 0, draw.uniform(0.08, 0.14), 0.04)
    for number in range(count):
        centre = width * ((number + 0.5) / count - 0.5)
        pieces.append(("pillow", move(cushion, (centre, y - deep / 2 - 0.06, top + thick - 0.02))))
    return pieces


def _headboard(draw: Draw, x: float, y: float, low: float, high: float) -> list[Soup]:
    style = one_of(draw, "panel", "round", "bars", "none")
    if style == "none":
        return []
    if style == "bars":
        pieces = [block((-x, y, high - 0.08), (x, y + 0.04, high))]
        places = np.linspace(-x + 0.03, x - 0.03, int(draw.integers(4, 9)))
        return pieces + [bar((place, y + 0.02, low - 0.05), (place, y + 0.02, high - 0.04), 0.018) for place in places]
    thick, tall = draw.uniform(0.03, 0.1), high - low + 0.1
    outline = rectangle(2 * x, tall, 0.4 * min(tall, 2 * x) if style == "round" else 0.0)
    return [move(stand(prism(outline, -thick, 0)), (0, y, (low - 0.1 + high) / 2))]


def _sofa(draw: Draw) -> Pieces:
    places = int(draw.integers(1, 4))
    width = places * draw.uniform(0.55, 0.75) + 0.05
    depth, height = draw.uniform((0.6, 0.36), (0.85, 0.47))
    low = draw.uniform(0.06, 0.18) if happens(draw, 0.75) else 0.0
    plinth = low + (height - low) * draw.uniform(0.4, 0.6)
    x, y = width / 2, depth / 2
    pieces: Pieces = [("seat", block((-x, -y, low), (x, y, plinth)))]
    split = happens(draw, 0.65)
    count = places if split else 1
    edges = np.linspace(-x, x, count + 1)
    for left, right in zip(edges[:-1], edges[1:], strict=True):
        pieces.append(("seat", block((left + 0.004, -y - 0.02, plinth), (right - 0.004, y, height), 0.03)))
    back, rise, angle = draw.uniform((0.14, 0.3, 0.0), (0.26, 0.5, 0.25))
    cushions = edges if split and happens(draw, 0.6) else edges[[0, -1]]
    for left, right in zip(cushions[:-1], cushions[1:], strict=True):
        corner = (right - 0.004, y - 0.06 + back, height + rise)
        cushion = block((left + 0.004, y - 0.06, low + 0.02), corner, 0.04)
        pieces.append(("backrest", lean(cushion, angle, (0, y, height))))
    pieces += _sofa_arms(draw, x, y, low, height)
    if happens(draw, 0.25):
        side, out = (-1 if happens(draw, 0.5) else 1), draw.uniform(0.5, 0.8)
        reach = x - max(0.6, width / places)
        left, right = sorted((side * x, side * max(reach, -x + 0.01)))
        pieces.append(("seat", block((left, -y - out, low), (right, -y, plinth))))
        pieces.append(("seat", block((left, -y - out, plinth), (right, -y - 0.02, height), 0.03)))
    if low:
        pieces += four_legs(draw, width, depth, low + 0.01, draw.uniform(0.02, 0.04))
    return pieces


def _sofa_arms(draw: Draw, x: float, y: float, low: float, height: float) -> Pieces:
    """Boxes, or boards with a roll on top; or none."""
    if happens(draw, 0.12):
        return []
    thick, rise = draw.uniform((0.08, 0.08), (0.24, 0.25))
    rolled = happens(draw, 0.35)
    top = height + rise - (thick / 2 if rolled else 0)
    pieces: Pieces = []
    for side in (-1, 1):
        middle = side * (x + thick / 2)
        half, bevel = (0.35 * thick, 0.0) if rolled else (0.5 * thick, 0.03)
        pieces.append(("armrest", block((middle - half, -y - 0.01, low), (middle + half, y, top), bevel)))
        if rolled:
            pieces.append(("armrest", bar((middle, -y - 0.02, top), (middle, y, top), thick / 2)))
    return pieces


BUILDERS: dict[str, Callable[[Draw], Pieces]] = {
    "chair": _chair,
    "table": _table,
    "lamp": _lamp,
    "shelf": _shelf,
    "mug": _mug,
    "car": _car,
    "bed": _bed,
    "sofa": _sofa,
}
