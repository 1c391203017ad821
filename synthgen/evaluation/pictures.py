"""Pictures a person can judge rows by: contact sheets, masks over images, colours for classes.

Knows PIL images and arrays: neither tasks nor files.

    colours = [None, *class_colours(2)]                     # the background stays bare
    pictures = [overlay_mask(image, mask, colours) for image, mask in zip(images, masks)]
    contact_sheet([("real", pictures[:8]), ("synthetic", pictures[8:])], legend, "tissue").save("preview.png")
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
Legend = Sequence[tuple[str, Colour]]

# Okabe and Ito 2008: told apart by people with any of the common colour blindnesses
SAFE: tuple[Colour, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (204, 121, 167),
    (0, 114, 178),
    (213, 94, 0),
    (240, 228, 66),
    (0, 0, 0),
)
UNKNOWN: Colour = (128, 128, 128)
PAPER: Colour = (255, 255, 255)
INK: Colour = (28, 32, 38)
FAINT: Colour = (108, 116, 128)
GOLDEN = 0.6180339887498949

TARGET = 96  # pixels that a tiny picture is enlarged to, about
LARGEST = 192  # pixels that a large picture is reduced to on a contact sheet
GAP, MARGIN = 4, 20
LONGEST_LEGEND = 60


def class_colours(n: int) -> list[Colour]:
    """n colours, all different up to 1,000: the first 8 safe for colour-blind readers, then hues by the golden angle.

    None is meant for a background; a mask's colours are `[None, *class_colours(classes - 1)]`.
    """
    colours, used = list(SAFE[:n]), set(SAFE)
    step = 0
    while len(colours) < n:
        hue, tier = (step * GOLDEN) % 1.0, step % 3
        red, green, blue = colorsys.hls_to_rgb(hue, (0.42, 0.58, 0.72)[tier], (0.85, 0.7, 0.6)[tier])
        colour = (round(red * 255), round(green * 255), round(blue * 255))
        step += 1
        if colour not in used:
            used.add(colour)
            colours.append(colour)
    return colours


def overlay_mask(
    image: np.ndarray,
    mask: np.ndarray,
    colours: Sequence[Colour | None],
    opacity: float = 0.35,
    scale: int | None = None,
) -> Image.Image:
    """A picture of image uint8 (H, W, C) or (H, W), with the classes of mask (H, W) as tints and thin outlines.

    `colours` are by class value; None leaves the class bare; values beyond them (ignored pixels) are grey. The
    picture is enlarged `scale` times, by default to about 96 pixels, before outlines are drawn: they stay thin.
    """
    assert mask.shape == image.shape[:2], f"image {image.shape} and mask {mask.shape} differ in size"
    times = scale or enlargement(image.shape[0], image.shape[1])
    rgb = np.asarray(_rgb(image)).repeat(times, 0).repeat(times, 1).astype(np.float32)
    values = mask.repeat(times, 0).repeat(times, 1)
    index = np.minimum(values, len(colours)).astype(np.intp)
    palette = np.array([colour or UNKNOWN for colour in [*colours, UNKNOWN]], np.float32)
    tinted = np.array([colour is not None for colour in [*colours, UNKNOWN]])
    paint, strength = palette[index], np.where(tinted[index], opacity, 0.0)[..., None]
    strength[_outline(index) & tinted[index]] = 1.0
    return Image.fromarray((rgb * (1 - strength) + paint * strength).round().astype(np.uint8))


def contact_sheet(
    groups: Sequence[tuple[str, Sequence[Image.Image]]],
    legend: Legend = (),
    title: str = "",
    columns: int = 8,
    scale: int | None = None,
    names: Sequence[Sequence[str]] | None = None,
) -> Image.Image:
    """One picture of all groups, each under its caption: two groups side by side, more of them one below the other.

    `names` are written under the pictures, for each group as many as it has pictures. `columns` are those of the whole
    sheet. Tiny pictures are enlarged `scale` times without smoothing, by default to about 96 pixels; large ones are
    reduced to 192.
    """
    sides = [side for _, images in groups for image in images for side in image.size]
    times = scale or (enlargement(max(sides), max(sides)) if sides else 1)
    beside = len(groups) == 2 and columns >= 2
    width = columns // 2 if beside else columns
    panels = [
        _panel(caption, [_fit(image, times) for image in images], width, names[number] if names else [])
        for number, (caption, images) in enumerate(groups)
    ]
    head, body = _heading(title), _arrange(panels, beside)
    foot = _legend(legend, max(320, body.width if body else 0))
    parts = [part for part in (head, body, foot) if part is not None]
    sheet = Image.new(
        "RGB",
        (max(p.width for p in parts) + 2 * MARGIN, sum(p.height for p in parts) + MARGIN * (len(parts) + 1)),
        PAPER,
    )
    top = MARGIN
    for part in parts:
        sheet.paste(part, (MARGIN, top))
        top += part.height + MARGIN
    return sheet


def enlargement(height: int, width: int) -> int:
    """The whole factor that brings the longer side to about 96 pixels; 1 for what is larger already."""
    return max(1, round(TARGET / max(height, width, 1)))


@dataclass(frozen=True)
class _Type:
    size: int
    colour: Colour

    @property
    def font(self) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
        return ImageFont.load_default(self.size)

    def measure(self, text: str) -> tuple[int, int]:
        left, _, right, _ = self.font.getbbox(text)
        return round(right - left) + 1, round(self.size * 1.4)


TITLE, CAPTION, LABEL = _Type(22, INK), _Type(16, INK), _Type(14, FAINT)


def _rgb(image: np.ndarray) -> Image.Image:
    plane = image[..., 0] if image.ndim == 3 and image.shape[-1] == 1 else image
    return Image.fromarray(np.ascontiguousarray(plane)).convert("RGB")


def _outline(index: np.ndarray) -> np.ndarray:
    """The pixels with a neighbour of another class above, below, left or right."""
    edge = np.zeros(index.shape, bool)
    down, right = index[1:] != index[:-1], index[:, 1:] != index[:, :-1]
    edge[1:] |= down
    edge[:-1] |= down
    edge[:, 1:] |= right
    edge[:, :-1] |= right
    return edge


def stack(images: Sequence[Image.Image]) -> Image.Image:
    """One picture of all of them in their own size, one below the other."""
    height = sum(image.height for image in images) + GAP * (len(images) - 1)
    sheet, top = Image.new("RGB", (max(image.width for image in images), height), PAPER), 0
    for image in images:
        sheet.paste(image, (0, top))
        top += image.height + GAP
    return sheet


def _fit(image: Image.Image, times: int) -> Image.Image:
    picture = image.convert("RGB")
    if times > 1:
        return picture.resize((picture.width * times, picture.height * times), Image.Resampling.NEAREST)
    picture.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
    return picture


def _panel(caption: str, images: Sequence[Image.Image], columns: int, names: Sequence[str]) -> Image.Image:
    text_width, text_height = CAPTION.measure(caption)
    cell_width = max((image.width for image in images), default=TARGET)
    picture_height = max((image.height for image in images), default=TARGET)
    line = LABEL.measure("")[1] if any(names) else 0
    cell_height = picture_height + line
    across = max(1, min(columns, len(images)))
    down = max(1, -(-len(images) // across))
    width = max(text_width, across * (cell_width + GAP) - GAP)
    panel = Image.new("RGB", (width, text_height + GAP + down * (cell_height + GAP) - GAP), PAPER)
    ImageDraw.Draw(panel).text((0, 0), caption, fill=CAPTION.colour, font=CAPTION.font)
    for number, image in enumerate(images):
        row, column = divmod(number, across)
        left, top = column * (cell_width + GAP), text_height + GAP + row * (cell_height + GAP)
        panel.paste(image, (left + (cell_width - image.width) // 2, top + (picture_height - image.height) // 2))
        if line:
            name = _shortened(names[number], cell_width)
            place = (left + (cell_width - LABEL.measure(name)[0]) // 2, top + picture_height)
            ImageDraw.Draw(panel).text(place, name, fill=LABEL.colour, font=LABEL.font)
    return panel


def _shortened(name: str, width: int) -> str:
    """As much of a name as is not wider than a picture."""
    if LABEL.measure(name)[0] <= width:
        return name
    while name and LABEL.measure(name + "…")[0] > width:
        name = name[:-1]
    return name + "…"


def _arrange(panels: Sequence[Image.Image], beside: bool) -> Image.Image | None:
    if not panels:
        return None
    widths, heights = [panel.width for panel in panels], [panel.height for panel in panels]
    between = MARGIN * (len(panels) - 1)
    size = (sum(widths) + between, max(heights)) if beside else (max(widths), sum(heights) + between)
    body = Image.new("RGB", size, PAPER)
    position = 0
    for panel in panels:
        body.paste(panel, (position, 0) if beside else (0, position))
        position += (panel.width if beside else panel.height) + MARGIN
    return body


def _heading(title: str) -> Image.Image | None:
    if not title:
        return None
    heading = Image.new("RGB", TITLE.measure(title), PAPER)
    ImageDraw.Draw(heading).text((0, 0), title, fill=TITLE.colour, font=TITLE.font)
    return heading


def _legend(legend: Legend, width: int) -> Image.Image | None:
    """Names after swatches, in as many lines as they need."""
    if not legend:
        return None
    if len(legend) > LONGEST_LEGEND:
        legend = [*legend[:LONGEST_LEGEND], (f"and {len(legend) - LONGEST_LEGEND} more", UNKNOWN)]
    line, swatch = LABEL.measure("")[1] + GAP, 12
    places, left, top = [], 0, 0
    for name, _ in legend:
        needed = swatch + 6 + LABEL.measure(name)[0] + 16
        if left and left + needed > width:
            left, top = 0, top + line
        places.append((left, top))
        left += needed
    widest = max(x + swatch + 6 + LABEL.measure(name)[0] for (x, _), (name, _) in zip(places, legend, strict=True))
    picture = Image.new("RGB", (widest, top + line), PAPER)
    pen = ImageDraw.Draw(picture)
    for (x, y), (name, colour) in zip(places, legend, strict=True):
        pen.rectangle((x, y + 4, x + swatch, y + 4 + swatch), fill=colour, outline=FAINT)
        pen.text((x + swatch + 6, y), name, fill=LABEL.colour, font=LABEL.font)
    return picture
