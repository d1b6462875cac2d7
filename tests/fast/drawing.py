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


PNG_SIGN = b"\x89PNG\r\n\x1a\n"


def png_chunk(kind: bytes, data: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + checksum


def png_head(width: int, height: int, depth: int = 8, colours: int = 2) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0)
    return PNG_SIGN + png_chunk(b"IHDR", head)


def bomb(width: int = 20_000, height: int = 20_000) -> bytes:
    """A PNG of a few bytes that says it has so many pixels."""
    pixels = png_chunk(b"IDAT", zlib.compress(bytes(99)))
    return png_head(width, height) + pixels + png_chunk(b"IEND", b"")


def webp(kind: bytes, content: bytes) -> bytes:
    chunk = (
        kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
    )
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


def webp_bomb(width: int, height: int) -> bytes:
    """A lossless WebP of a few bytes that says it has so many pixels."""
    bits = (width - 1) | (height - 1) << 14
    return webp(b"VP8L", b"\x2f" + struct.pack("<I", bits) + bytes(8))


def jpeg_segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def jpeg_bomb(width: int, height: int, frame: int = 0xC0) -> bytes:
    """A JPEG of a few bytes that says it has so many pixels."""
    data = bytearray(encoded(plain(size=(8, 8)), "JPEG", progressive=frame == 0xC2))
    at = data.index(bytes([0xFF, frame]))
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def bmp(width: int, height: int, bits: int, packing: int, pixels: bytes) -> bytes:
    """A BMP without a palette, as its head describes it."""
    head = struct.pack(
        "<IiiHHIIiiII", 40, width, height, 1, bits, packing, 0, 0, 0, 0, 0
    )
    palette = bytes(1024) if bits == 8 else b""
    start = 14 + 40 + len(palette)
    return struct.pack("<2sIII", b"BM", 0, 0, start) + head + palette + pixels


# Number, type (3: 16 bits, 4: 32 bits), count and value of each tag.
TiffTag = tuple[int, int, int, int]
GREY_TAGS: tuple[TiffTag, ...] = (
    *((256, 4, 1, 4), (257, 4, 1, 4), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)),
    *((273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, 4), (279, 4, 1, 16)),
)


def tiff(*changed: TiffTag, pixels: bytes = bytes(16)) -> bytes:
    """A grey TIFF of 4 × 4 pixels, but for the tags that are given."""
    tags = {tag[0]: tag for tag in (*GREY_TAGS, *changed)}
    return tiff_of([tags[number] for number in sorted(tags)], pixels)


def tiff_of(tags: list[TiffTag], pixels: bytes = bytes(16)) -> bytes:
    directory = struct.pack("<H", len(tags))
    for number, kind, count, value in tags:
        directory += struct.pack("<HHII", number, kind, count, value)
    start = 8 + len(pixels)
    return b"II*\0" + struct.pack("<I", start) + pixels + directory + bytes(4)


def gif(extensions: bytes = b"") -> bytes:
    """A GIF with something between its head and its only frame."""
    data = encoded(plain(), "GIF")
    at = data.index(b",", 13 + (6 << (data[10] & 7)))
    return data[:at] + extensions + data[at:]
