"""Pictures that the stand-in answers with: drawn, real, and each one different.

A prompt becomes a small landscape: its colour words choose the palette, a few nouns
put a figure into it. An edit alters the picture it was given, so that a chain of
edits looks like one.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import math
import random
import re
import struct
import zlib
from collections.abc import Callable
from functools import lru_cache

from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageOps

Colour = tuple[int, int, int]

HUES: dict[str, Colour] = {
    "red": (214, 69, 65),
    "orange": (235, 137, 52),
    "yellow": (240, 200, 70),
    "green": (84, 160, 98),
    "teal": (52, 152, 152),
    "blue": (62, 116, 201),
    "purple": (132, 88, 178),
    "violet": (132, 88, 178),
    "pink": (228, 124, 164),
    "brown": (136, 98, 70),
    "black": (46, 48, 58),
    "grey": (128, 132, 140),
    "gray": (128, 132, 140),
    "white": (226, 232, 238),
}
NIGHT_WORDS = {"night", "midnight", "dark", "moon"}

_counter = itertools.count(1)
_views = itertools.count()


def make_picture(prompt: str, size: tuple[int, int], mime: str) -> bytes:
    """A picture for a prompt; the same prompt gives another view the next time."""
    number = next(_views) % len(_VIEWS)
    return distinct(_encoded_scene(prompt, size, mime, number))


def edit_picture(prompt: str, source: bytes, size: tuple[int, int], mime: str) -> bytes:
    """The source picture, visibly altered as the prompt's words ask."""
    with Image.open(io.BytesIO(source)) as opened:
        image = ImageOps.fit(opened.convert("RGB"), size)
    return distinct(encode(_edited(image, prompt), mime))


def plain_picture(size: tuple[int, int], mime: str) -> bytes:
    """A picture of one colour: large ones are quickly made."""
    return distinct(_encoded_plain(size, mime))


def noise_picture(size_in_bytes: int, mime: str) -> bytes:
    """A decodable picture of about so many bytes, with bytes of its own."""
    return distinct(_encoded_noise(size_in_bytes, mime))


def encode(image: Image.Image, mime: str) -> bytes:
    """The file of an image, as PNG or JPEG."""
    out = io.BytesIO()
    if mime == "image/png":
        image.save(out, "PNG", compress_level=1)
    else:
        image.save(out, "JPEG", quality=88)
    return out.getvalue()


def distinct(picture: bytes) -> bytes:
    """The same picture with a counter in a comment, so that its bytes are unique."""
    return _with_comment(picture, f"picture {next(_counter)}".encode())


def _with_comment(picture: bytes, comment: bytes) -> bytes:
    if picture.startswith(b"\xff\xd8"):
        return picture[:2] + _jpeg_comment(comment) + picture[2:]
    header_end = 8 + 25  # the signature and IHDR, which has to stay first
    return (
        picture[:header_end]
        + _png_chunk(b"tEXt", b"Comment\0" + comment)
        + picture[header_end:]
    )


def _jpeg_comment(comment: bytes) -> bytes:
    return b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


@lru_cache(maxsize=64)
def _encoded_plain(size: tuple[int, int], mime: str) -> bytes:
    return encode(Image.new("L", size, 200), mime)


# -- noise ---------------------------------------------------------------------------


@lru_cache(maxsize=8)
def _encoded_noise(size_in_bytes: int, mime: str) -> bytes:
    side = max(16, math.isqrt(max(1, size_in_bytes // 4)))
    pixels = random.Random(size_in_bytes).randbytes(side * side * 3)
    image = Image.frombytes("RGB", (side, side), pixels)
    out = io.BytesIO()
    if mime == "image/png":
        image.save(out, "PNG", compress_level=0)
    else:
        image.save(out, "JPEG", quality=95)
    return _padded(out.getvalue(), size_in_bytes)


def _padded(picture: bytes, size_in_bytes: int) -> bytes:
    """Filled up with noise in comments, since encoders hit no exact size."""
    missing = size_in_bytes - len(picture)
    if missing <= 0:
        return picture
    filler = random.Random(0).randbytes(missing)
    pieces = [filler[at : at + 60_000] for at in range(0, missing, 60_000)]
    if picture.startswith(b"\xff\xd8"):
        padding = b"".join(map(_jpeg_comment, pieces))
        return picture[:2] + padding + picture[2:]
    padding = b"".join(_png_chunk(b"noIs", piece) for piece in pieces)
    return picture[:33] + padding + picture[33:]


# -- a scene -------------------------------------------------------------------------


@lru_cache(maxsize=32)
def _encoded_scene(prompt: str, size: tuple[int, int], mime: str, view: int) -> bytes:
    return encode(_VIEWS[view](_scene(prompt, size)), mime)


def _nearer(image: Image.Image) -> Image.Image:
    return ImageOps.fit(image, image.size, bleed=0.12, centering=(0.6, 0.8))


def _in_the_evening(image: Image.Image) -> Image.Image:
    dusk = Image.new("RGB", image.size, HUES["purple"])
    return Image.blend(ImageOps.mirror(image), dusk, 0.3)


_VIEWS: tuple[Callable[[Image.Image], Image.Image], ...] = (
    lambda image: image,
    ImageOps.mirror,
    _in_the_evening,
    _nearer,
)


def _scene(prompt: str, size: tuple[int, int]) -> Image.Image:
    """Drawn at a moderate size and brought to the asked one, which smooths edges."""
    factor = 1400 / max(size)
    canvas_size = (max(32, int(size[0] * factor)), max(32, int(size[1] * factor)))
    seed = hashlib.sha256(prompt.encode("utf-8", "replace")).digest()
    dice = random.Random(seed)
    words = _words(prompt)
    base = _base_colour(words, dice)
    night = bool(words & NIGHT_WORDS)
    canvas = _sky(canvas_size, base, night)
    _sun(canvas, dice, night)
    _hills(canvas, base, dice, night)
    for figure in _figures(words):
        figure(canvas, base)
    return canvas.resize(size, Image.Resampling.LANCZOS)


# What it draws, as prompts in Chinese name it.
CHINESE = {
    **{
        "狐": "fox",
        "猫": "cat",
        "船": "boat",
        "房": "house",
        "树": "tree",
        "帽": "hat",
    },
    **{"红": "red", "蓝": "blue", "绿": "green", "紫": "purple", "夜": "night"},
}


def _words(prompt: str) -> set[str]:
    words = set(re.findall(r"[a-z]+", prompt.lower()))
    words |= {word for sign, word in CHINESE.items() if sign in prompt}
    return words | {word[:-1] for word in words if word.endswith("s")}


def _base_colour(words: set[str], dice: random.Random) -> Colour:
    named = [colour for word, colour in HUES.items() if word in words]
    choices = [HUES[name] for name in ("teal", "orange", "purple", "blue", "green")]
    return named[0] if named else dice.choice(choices)


def _mix(first: Colour, second: Colour, share: float) -> Colour:
    mixed = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    red, green, blue = mixed
    return red, green, blue


def _sky(size: tuple[int, int], base: Colour, night: bool) -> Image.Image:
    top = (16, 22, 52) if night else _mix(base, (70, 130, 200), 0.55)
    low = (66, 62, 108) if night else _mix(base, (255, 240, 214), 0.78)
    column = Image.new("RGB", (1, 64))
    for y in range(64):
        column.putpixel((0, y), _mix(top, low, min(1.0, y / 44)))
    return column.resize(size, Image.Resampling.BICUBIC)


def _sun(canvas: Image.Image, dice: random.Random, night: bool) -> None:
    width, height = canvas.size
    unit = min(width, height)
    x, y = width * dice.uniform(0.2, 0.8), height * dice.uniform(0.16, 0.32)
    colour = (238, 240, 226) if night else (255, 236, 170)
    glow = Image.new("L", canvas.size, 0)
    pen = ImageDraw.Draw(glow)
    _disc(pen, x, y, unit * 0.17, 110)
    glow = glow.filter(ImageFilter.GaussianBlur(unit * 0.05))
    canvas.paste(Image.new("RGB", canvas.size, colour), (0, 0), glow)
    _disc(ImageDraw.Draw(canvas), x, y, unit * 0.085, colour)


def _hills(canvas: Image.Image, base: Colour, dice: random.Random, night: bool) -> None:
    width, height = canvas.size
    pen = ImageDraw.Draw(canvas)
    shade = (14, 18, 40) if night else (28, 48, 54)
    light = (96, 100, 150) if night else (236, 226, 206)
    for layer in range(4):
        level = height * (0.52 + 0.12 * layer)
        waves = [
            (dice.uniform(0.6, 2.4), dice.uniform(0, 6.3), dice.uniform(0.015, 0.045))
            for _ in range(3)
        ]
        line = [
            (
                x,
                level
                + height
                * sum(s * math.sin(f * 6.3 * x / width + p) for f, p, s in waves),
            )
            for x in range(0, width + 8, 4)
        ]
        colour = _mix(_mix(base, light, 0.5 - 0.16 * layer), shade, 0.16 * layer)
        pen.polygon([(0, height), *line, (width, height)], fill=colour)


def _disc(
    pen: ImageDraw.ImageDraw, x: float, y: float, radius: float, fill: int | Colour
) -> None:
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)


# -- figures -------------------------------------------------------------------------


def _figures(words: set[str]) -> list[Callable[[Image.Image, Colour], None]]:
    return [draw for word, draw in FIGURES.items() if word in words]


def _scaled(
    canvas: Image.Image, x: float, y: float
) -> Callable[[list[tuple[float, float]]], list[tuple[float, float]]]:
    """A function from a figure's own units (-1 … 1) to the canvas, feet at x, y."""
    width, height = canvas.size
    unit = min(width, height) * 0.2

    def place(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
        return [(width * x + px * unit, height * y + py * unit) for px, py in points]

    return place


def _animal(
    canvas: Image.Image, coat: Colour, chest: Colour, snout: float, x: float
) -> None:
    """A sitting fox or cat seen from the front."""
    pen = ImageDraw.Draw(canvas)
    place = _scaled(canvas, x, 0.9)
    dark = _mix(coat, (20, 16, 20), 0.72)
    pen.ellipse(place([(0.2, -0.62), (1.05, 0.04)]), fill=_mix(coat, dark, 0.25))
    pen.ellipse(place([(0.72, -0.6), (1.02, -0.3)]), fill=chest)
    pen.ellipse(place([(-0.5, -1.0), (0.5, 0.08)]), fill=coat)
    pen.ellipse(place([(-0.24, -0.82), (0.24, 0.0)]), fill=chest)
    for side in (-1, 1):
        ear = [(0.56 * side, -2.02), (0.1 * side, -1.5), (0.58 * side, -1.34)]
        pen.polygon(place(ear), fill=coat)
        inner = [(0.5 * side, -1.84), (0.24 * side, -1.52), (0.5 * side, -1.42)]
        pen.polygon(place(inner), fill=dark)
    pen.ellipse(place([(-0.62, -1.68), (0.62, -0.74)]), fill=coat)
    cheeks = [(-0.6, -1.16), (0, -1.2), (0.6, -1.16), (0, -0.74 + snout)]
    pen.polygon(place(cheeks), fill=chest)
    for side in (-1, 1):
        pen.ellipse(
            place([(0.27 * side - 0.08, -1.38), (0.27 * side + 0.08, -1.2)]),
            fill=(30, 26, 30),
        )
    nose = [(-0.09, -0.92 + snout), (0.09, -0.92 + snout), (0, -0.78 + snout)]
    pen.polygon(place(nose), fill=(34, 26, 30))


def _fox(canvas: Image.Image, base: Colour) -> None:
    coat = (222, 112, 48) if base != HUES["orange"] else (200, 86, 40)
    _animal(canvas, coat, (250, 240, 226), 0.1, 0.4)


def _cat(canvas: Image.Image, base: Colour) -> None:
    _animal(canvas, _mix((110, 110, 124), base, 0.25), (238, 232, 226), -0.06, 0.4)


def _house(canvas: Image.Image, base: Colour) -> None:
    pen = ImageDraw.Draw(canvas)
    place = _scaled(canvas, 0.7, 0.8)
    pen.rectangle(place([(-0.8, -1.1), (0.8, 0)]), fill=(246, 234, 214))
    roof = [(-1.0, -1.05), (0, -1.9), (1.0, -1.05)]
    pen.polygon(place(roof), fill=_mix((168, 62, 54), base, 0.3))
    pen.rectangle(place([(-0.16, -0.6), (0.2, 0)]), fill=(112, 76, 58))
    for x in (-0.62, 0.36):
        pen.rectangle(place([(x, -0.86), (x + 0.28, -0.56)]), fill=(255, 226, 140))


def _tree(canvas: Image.Image, base: Colour) -> None:
    pen = ImageDraw.Draw(canvas)
    place = _scaled(canvas, 0.18, 0.86)
    pen.rectangle(place([(-0.1, -0.9), (0.1, 0)]), fill=(104, 74, 54))
    green = _mix((70, 134, 84), base, 0.25)
    for step, shade in enumerate((0.3, 0.15, 0.0)):
        low, half = -0.55 - 0.5 * step, 0.75 - 0.17 * step
        crown = [(-half, low), (0, low - 0.85), (half, low)]
        pen.polygon(place(crown), fill=_mix(green, (20, 40, 40), shade))


def _boat(canvas: Image.Image, base: Colour) -> None:
    width, height = canvas.size
    pen = ImageDraw.Draw(canvas)
    water = _mix((52, 120, 168), base, 0.3)
    pen.rectangle((0, height * 0.8, width, height), fill=water)
    place = _scaled(canvas, 0.55, 0.86)
    pen.polygon(
        place([(-0.9, -0.3), (0.9, -0.3), (0.6, 0.1), (-0.6, 0.1)]), fill=(126, 68, 50)
    )
    pen.rectangle(place([(-0.03, -1.7), (0.03, -0.3)]), fill=(92, 66, 52))
    pen.polygon(
        place([(0.08, -1.65), (0.8, -0.42), (0.08, -0.42)]), fill=(252, 244, 232)
    )
    sail = _mix((240, 226, 210), base, 0.45)
    pen.polygon(place([(-0.08, -1.5), (-0.62, -0.42), (-0.08, -0.42)]), fill=sail)


def _hat(canvas: Image.Image, base: Colour) -> None:
    pen = ImageDraw.Draw(canvas)
    place = _scaled(canvas, 0.4, 0.9)
    pen.rectangle(place([(-0.36, -2.28), (0.36, -1.6)]), fill=(44, 44, 56))
    pen.rectangle(place([(-0.36, -1.8), (0.36, -1.64)]), fill=base)
    pen.ellipse(place([(-0.66, -1.7), (0.66, -1.5)]), fill=(44, 44, 56))


# Water and buildings first, so that animals stand in front of them.
FIGURES: dict[str, Callable[[Image.Image, Colour], None]] = {
    "boat": _boat,
    "ship": _boat,
    "house": _house,
    "tree": _tree,
    "cat": _cat,
    "fox": _fox,
    "hat": _hat,
}


# -- edits ---------------------------------------------------------------------------


def _edited(image: Image.Image, prompt: str) -> Image.Image:
    words = _words(prompt)
    named = [colour for word, colour in HUES.items() if word in words]
    if words & NIGHT_WORDS:
        image = _at_night(image)
    elif named:
        image = _tinted(image, named[0])
    elif not _figures(words):
        image = _turned(image)
    for figure in _figures(words):
        figure(image, named[0] if named else HUES["red"])
    return image


def _tinted(image: Image.Image, colour: Colour) -> Image.Image:
    white = _mix(colour, (255, 255, 255), 0.82)
    black = _mix(colour, (0, 0, 0), 0.75)
    tinted = ImageOps.colorize(ImageOps.grayscale(image), black, white, mid=colour)
    return Image.blend(image, tinted, 0.85)


def _at_night(image: Image.Image) -> Image.Image:
    blue = Image.new("RGB", image.size, (88, 98, 170))
    return ImageEnhance.Brightness(ImageChops.multiply(image, blue)).enhance(1.05)


def _turned(image: Image.Image) -> Image.Image:
    """The hue moved on by a sixth of the circle."""
    hue, saturation, value = image.convert("HSV").split()
    hue = hue.point(lambda level: (level + 43) % 256)
    return Image.merge("HSV", (hue, saturation, value)).convert("RGB")


def measure(picture: bytes) -> tuple[int, int]:
    """Width and height of a picture's file."""
    with Image.open(io.BytesIO(picture)) as opened:
        return opened.size
