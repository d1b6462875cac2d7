"""Small pictures of all formats, good and bad, for the tests of pictures."""

from __future__ import annotations

import io
import random
import struct
import zlib
from typing import Any

import PIL.Image

import gemini_image_pipe as gip

RED = (214, 30, 30)


def ready_picture(data: bytes, name: str) -> gip.Image:
    """The picture as it goes to Google."""
    image = gip.checked_picture(data, name)
    return gip.converted_picture(image) if gip.needs_conversion(image) else image


def encoded(image: PIL.Image.Image, form: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def plain(mode: str = "RGB", size: tuple[int, int] = (32, 16)) -> PIL.Image.Image:
    return PIL.Image.new("RGB", size, RED).convert(mode)


def half_clear() -> PIL.Image.Image:
    image = PIL.Image.new("RGBA", (32, 16), (*RED, 0))
    image.paste((*RED, 255), (16, 0, 32, 16))
    return image


def noise(mode: str = "RGB", size: tuple[int, int] = (64, 64)) -> PIL.Image.Image:
    count = len(PIL.Image.new(mode, size).tobytes())
    return PIL.Image.frombytes(mode, size, random.Random(7).randbytes(count))


def turned(form: str, image: PIL.Image.Image | None = None) -> bytes:
    """A picture whose EXIF says that it lies on its side."""
    exif = PIL.Image.Exif()
    exif[274] = 6
    return encoded(image or plain(), form, exif=exif)


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def heif(brand: bytes, size: tuple[int, int] = (40, 30)) -> bytes:
    """A HEIF file, with a few bytes where its coded pixels would be."""
    ispe = box(b"ispe", bytes(4) + struct.pack(">II", *size))
    meta = box(b"meta", bytes(4) + box(b"iprp", box(b"ipco", ispe)))
    return box(b"ftyp", brand + bytes(4) + b"mif1") + meta + box(b"mdat", bytes(40))


def bomb() -> bytes:
    """A PNG of a few bytes that says it has 20,000 × 20,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    head = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(99)))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")
