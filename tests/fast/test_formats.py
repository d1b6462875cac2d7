"""What a picture is, told by its bytes, and what reading it may cost."""

from __future__ import annotations

import base64
import contextlib
import io
import os
import random
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from drawing import (
    PNG_SIGN,
    bmp,
    bomb,
    encoded,
    gif,
    half_clear,
    heif,
    jpeg_bomb,
    jpeg_segment,
    noise,
    plain,
    png_chunk,
    png_head,
    ready_picture,
    tiff,
    tiff_of,
    turned,
    webp,
    webp_bomb,
)
from growth import growth
from hypothesis import given
from hypothesis import strategies as st
from rows import check_rows

import gemini_image_pipe as gip

PIL.Image.init()

# ── Whole pictures ───────────────────────────────────────────────────────────────────

FRAMES: dict[str, Any] = {"save_all": True, "append_images": [plain().rotate(180)]}
PHOTO = turned("JPEG", noise(size=(64, 48)))


def of_camera(photo: bytes) -> bytes:
    """A photo with what phones add: padding, profiles, a second picture behind it."""
    notes = jpeg_segment(0xE2, b"MPF\0MM\0*" + bytes(80))
    notes += jpeg_segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + bytes(9_000))
    notes += b"\xff\xff\xff" + jpeg_segment(0xFE, b"comment")
    return photo[:2] + notes + photo[2:] + bytes(700) + PHOTO + b"SEFT"


# What is sent as it is: its bytes, and its size.
GOES: dict[str, tuple[bytes, tuple[int, int]]] = {
    "png": (encoded(plain(), "PNG"), (32, 16)),
    "png palette": (encoded(plain("P"), "PNG"), (32, 16)),
    "png bilevel": (encoded(plain("1"), "PNG"), (32, 16)),
    "png grey alpha": (encoded(plain("LA"), "PNG"), (32, 16)),
    "png alpha": (encoded(half_clear(), "PNG"), (32, 16)),
    "png deep": (encoded(noise("I;16"), "PNG"), (64, 64)),
    "png interlaced": (
        png_head(1, 1)[:28]
        + b"\1"
        + struct.pack(">I", zlib.crc32(png_head(1, 1)[12:28] + b"\1"))
        + png_chunk(b"IDAT", zlib.compress(bytes(4)))
        + png_chunk(b"IEND", b""),
        (1, 1),
    ),
    "png animated": (encoded(plain(), "PNG", **FRAMES), (32, 16)),
    "png and more": (encoded(plain(), "PNG") + b"more", (32, 16)),
    "png bad note": (
        encoded(plain(), "PNG")[:33]
        + png_chunk(b"tEXt", b"a\0b")[:-1]
        + b"?"
        + encoded(plain(), "PNG")[33:],
        (32, 16),
    ),
    "jpeg": (encoded(plain(), "JPEG"), (32, 16)),
    "jpeg 4:4:4": (encoded(noise(), "JPEG", subsampling=0), (64, 64)),
    "jpeg 4:1:1": (encoded(noise(), "JPEG", subsampling="4:1:1"), (64, 64)),
    "jpeg progressive": (encoded(noise(), "JPEG", progressive=True), (64, 64)),
    "jpeg restarts": (encoded(noise(), "JPEG", restart_marker_rows=1), (64, 64)),
    "jpeg grey": (encoded(plain("L"), "JPEG"), (32, 16)),
    "jpeg cmyk": (encoded(plain("CMYK"), "JPEG"), (32, 16)),
    "jpeg exif": (PHOTO, (64, 48)),
    "jpeg camera": (of_camera(PHOTO), (64, 48)),
    "webp": (encoded(plain(), "WEBP"), (32, 16)),
    "webp lossless": (encoded(plain(), "WEBP", lossless=True), (32, 16)),
    "webp alpha": (encoded(half_clear(), "WEBP"), (32, 16)),
    "webp lossless alpha": (encoded(half_clear(), "WEBP", lossless=True), (32, 16)),
    "webp animated": (encoded(plain(), "WEBP", **FRAMES), (32, 16)),
    "webp exif": (turned("WEBP"), (32, 16)),
    "webp and more": (encoded(plain(), "WEBP") + b"more", (32, 16)),
    "heic": (heif(b"heic"), (40, 30)),
    "heif and more": (heif(b"mif1") + b"SEFT", (40, 30)),
}
# What has to be decoded: the same.
CONVERTED: dict[str, tuple[bytes, tuple[int, int]]] = {
    "gif": (encoded(plain(), "GIF"), (32, 16)),
    "gif animated": (encoded(plain(), "GIF", **FRAMES), (32, 16)),
    "gif comment": (gif(b"!\xfe\x02hi\0"), (32, 16)),
    "bmp": (encoded(plain(), "BMP"), (32, 16)),
    "bmp palette": (encoded(plain("P"), "BMP"), (32, 16)),
    "bmp bilevel": (encoded(plain("1"), "BMP"), (32, 16)),
    "bmp alpha": (encoded(half_clear(), "BMP"), (32, 16)),
    "bmp top down": (bmp(2, -2, 24, 0, bytes(16)), (2, 2)),
    "tiff": (encoded(plain(), "TIFF"), (32, 16)),
    "tiff big end": (encoded(noise("I;16B"), "TIFF"), (64, 64)),
    "tiff pages": (encoded(plain(), "TIFF", **FRAMES), (32, 16)),
    "tiff made": (tiff(), (4, 4)),
    "avif": (encoded(plain(), "AVIF"), (32, 16)),
    "avif alpha": (encoded(half_clear(), "AVIF"), (32, 16)),
    "avif animated": (encoded(plain(), "AVIF", **FRAMES), (32, 16)),
} | {
    f"tiff {how}": (encoded(plain(mode), "TIFF", compression=how), (32, 16))
    for how, mode in {
        **{"tiff_lzw": "RGB", "tiff_adobe_deflate": "RGBA", "packbits": "L"},
        **{"jpeg": "RGB", "group3": "1", "group4": "1", "tiff_deflate": "CMYK"},
    }.items()
}


def test_whole_pictures_of_all_kinds_pass() -> None:
    def goes(kind: str) -> None:
        data, size = GOES[kind]
        assert ready_picture(data, "").data is data
        assert gip.picture_pixels(data) == size

    def is_converted(kind: str) -> None:
        data, size = CONVERTED[kind]
        assert gip.picture_pixels(data) == size
        image = ready_picture(data, "")
        assert image.mime == "image/png" and gip.picture_pixels(image.data) == size

    check_rows([(kind,) for kind in GOES], goes)
    check_rows([(kind,) for kind in CONVERTED], is_converted)


def test_whole_pictures_of_all_kinds_can_be_made_smaller() -> None:
    def check(kind: str) -> None:
        image = gip.checked_picture(GOES[kind][0], "")
        made = gip.smaller_picture(image, 3_000)
        assert len(made.data) <= 3_000
        PIL.Image.open(io.BytesIO(made.data)).load()

    readable = [(kind,) for kind in GOES if not kind.startswith("hei")]
    check_rows(readable, check)


# ── Bad ones ─────────────────────────────────────────────────────────────────────────


def cut(kind: str) -> Iterator[tuple[str, bytes, str]]:
    """A picture that was not sent to its end, at several places."""
    data = {**GOES, **CONVERTED}[kind][0]
    for tenth in (5, 6, 7, 9):
        yield f"{kind} cut at {tenth}", data[: len(data) * tenth // 10], "broken"


WHOLE = [kind for kind in GOES if not kind.endswith((" and more", "camera"))]
TAGS_OF_AN_EXIF = [(n, 7, 60_000, 8) for n in range(1, 200)]
PNG, JPEG, WEBP, AVIF = (encoded(noise(), f) for f in ("PNG", "JPEG", "WEBP", "AVIF"))
SEGMENTS = jpeg_segment(0xE0, b"JFIF\0") * 60_000
BAD: list[tuple[str, bytes, str]] = [
    *(row for kind in WHOLE for row in cut(kind)),
    ("png without pixels", png_head(4, 4) + png_chunk(b"IEND", b""), "broken"),
    ("png without head", PNG_SIGN + png_chunk(b"IDAT", b"x") + png_chunk(b"IEND", b""), "broken"),
    ("png changed", PNG[:900] + bytes([PNG[900] ^ 1]) + PNG[901:], "broken"),
    ("png of no width", bomb(0, 9), "broken"),
    ("png that cannot hold its pixels", bomb(9_999, 9_999), "broken"),
    ("png too large", bomb(30_000, 30_000), "too_many_pixels"),
    ("png of an odd depth", png_head(4, 4, depth=3) + PNG[33:], "broken"),
    ("png without palette", png_head(4, 4, colours=3) + PNG[33:], "broken"),
    ("png of a million chunks", PNG[:33] + png_chunk(b"tEXt", b"") * 60_000 + PNG[33:], "broken"),
    ("jpeg without frame", JPEG[:2] + JPEG[JPEG.index(b"\xff\xda") :], "broken"),
    ("jpeg of no width", jpeg_bomb(0, 9), "broken"),
    ("jpeg without scan", JPEG[: JPEG.index(b"\xff\xda")] + b"\xff\xd9", "broken"),
    ("jpeg of a segment of no length", JPEG[:2] + b"\xff\xe0\0\0" + JPEG[2:], "broken"),
    ("jpeg of many segments", JPEG[:2] + SEGMENTS + JPEG[2:], "broken"),
    ("jpeg that is too large", jpeg_bomb(60_000, 60_000), "too_many_pixels"),
    ("webp of nothing", webp(b"EXIF", bytes(40)), "broken"),
    ("webp without a frame", webp(b"VP8X", bytes(10)), "broken"),
    ("webp of another frame", webp(b"VP8X", bytes(10) + WEBP[12:]), "broken"),
    ("webp that is too large", webp_bomb(16_000, 16_000), "too_many_pixels"),
    ("webp without a key frame", webp(b"VP8 ", b"\1" + WEBP[21:]), "broken"),
    ("heic of a head alone", heif(b"heic")[:24], "broken"),
    ("heic cut", heif(b"heic")[:-9], "broken"),
    ("heic that is too large", heif(b"heic", (20_000, 20_000)), "too_many_pixels"),
    ("bmp of run lengths", bmp(4, 4, 8, 1, bytes(99)), "odd_form"),
    ("bmp of short run lengths", bmp(4, 4, 4, 2, bytes(99)), "odd_form"),
    ("bmp of a jpeg", bmp(4, 4, 24, 4, JPEG), "odd_form"),
    ("bmp larger than its bytes", bmp(9_999, 9_999, 24, 0, bytes(99)), "broken"),
    ("bmp of one row of many", bmp(1, -(2**31), 24, 0, bytes(99)), "too_many_pixels"),
    ("gif without a frame", gif()[:13] + b";", "broken"),
    ("gif of blocks", gif(b"!\xfe" + b"\1x" * 60_000 + b"\0"), "broken"),
    ("gif of nothing", gif(bytes(60_000)), "broken"),
    ("gif of a large frame", gif()[:6] + b"\xff\xff\xff\xff" + gif()[10:], "too_many_pixels"),
    ("tiff of old jpeg", tiff((259, 3, 1, 6)), "odd_form"),
    ("tiff of what nobody has", tiff((259, 3, 1, 34_676)), "odd_form"),
    ("tiff of many strips", tiff((257, 4, 1, 60_000), (278, 4, 1, 1)), "odd_form"),
    ("tiff of a huge tile", tiff((322, 4, 1, 30_000), (323, 4, 1, 30_000)), "odd_form"),
    ("tiff of no rows", tiff((278, 4, 1, 0)), "broken"),
    ("tiff of large tags", tiff_of(TAGS_OF_AN_EXIF), "odd_form"),
    ("tiff of many tags", tiff_of([(n, 3, 1, 0) for n in range(1_001)]), "odd_form"),
    ("tiff of two widths", tiff_of([(256, 4, 1, 4), (256, 4, 1, 4)]), "odd_form"),
    ("tiff of a wide width", tiff((256, 16, 1, 4)), "odd_form"),
    ("tiff of directories in a ring", tiff((34665, 4, 1, 24)), "odd_form"),
    ("tiff without size", tiff_of([(258, 3, 1, 8)]), "broken"),
    ("tiff too large", tiff((256, 4, 1, 60_000), (257, 4, 1, 60_000)), "too_many_pixels"),
    ("tiff of too many pixels to decode", tiff((256, 4, 1, 9_999), (257, 4, 1, 9_999)), "too_many_pixels"),
    ("avif without pictures", heif(b"avif"), "broken"),
    ("avif of a larger picture", AVIF.replace(struct.pack(">II", 64, 64), struct.pack(">II", 9, 9)), "odd_form"),
    ("avif too large", AVIF.replace(struct.pack(">II", 64, 64), struct.pack(">II", 9_000, 9_000)), "too_many_pixels"),
]  # fmt: skip


def test_bad_pictures_of_all_kinds_are_told() -> None:
    """Sent anyway, one of them would have Google refuse the chat for good."""

    def check(kind: str, data: bytes, told: str) -> None:
        with pytest.raises(gip.UnusablePicture) as caught:
            ready_picture(data, "")
        assert caught.value.kind == told
        assert gip.make_note(told, name="x", **caught.value.values)

    assert len(BAD) > 100
    check_rows(BAD, check)


# ── Nothing else is asked or started ─────────────────────────────────────────────────

ASKED: dict[str, str] = {
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "image/webp": "WEBP",
    "image/gif": "GIF",
    "image/avif": "AVIF",
    "image/tiff": "TIFF",
    "image/bmp": "BMP",
}
SIGNATURES = {
    "png": (0, PNG_SIGN),
    "jpeg": (0, b"\xff\xd8\xff"),
    "webp": (8, b"WEBP"),
    "whole webp": (0, b"RIFF\x40\0\0\0WEBP"),
    "gif": (0, b"GIF89a"),
    "avif": (4, b"ftypavif"),
    "heic": (4, b"ftypheic"),
    "tiff": (0, b"II*\0"),
    "bmp": (0, b"BM"),
}


@contextlib.contextmanager
def watched() -> Iterator[tuple[list[str], list[Any]]]:
    """The names of the plugins that were asked, and the programs that were started."""
    asked: list[str] = []
    started: list[Any] = []

    def recorded(name: str, factory: Callable[..., Any]) -> Callable[..., Any]:
        def record(*arguments: Any) -> Any:
            asked.append(name)
            return factory(*arguments)

        return record

    def start(*arguments: Any, **more: Any) -> Any:
        started.append(arguments)
        raise OSError("no program may be started")

    with pytest.MonkeyPatch.context() as patch:
        for name, (factory, accept) in [*PIL.Image.OPEN.items()]:
            entry = (recorded(name, factory), accept)
            patch.setitem(PIL.Image.OPEN, name, entry)
        for module, name in (
            (subprocess, "Popen"),
            (os, "system"),
            (os, "posix_spawn"),
            (os, "fork"),
        ):
            patch.setattr(module, name, start)
        yield asked, started


def try_out(data: bytes, name: str = "") -> None:
    """Do all that is done with a picture; only UnusablePicture may come of it."""
    mime = gip.image_type(data)
    allowed = {ASKED[mime], "PNG"} if mime in ASKED else set()
    with watched() as (asked, started):
        gip.picture_pixels(data)
        with contextlib.suppress(gip.UnusablePicture):
            image = ready_picture(data, name)
            gip.smaller_picture(image, 600)
    assert not started and {*asked} <= allowed


def drawn_by_pillow() -> dict[str, bytes]:
    """A picture in each format that Pillow writes."""
    found: dict[str, bytes] = {}
    for form in sorted(PIL.Image.SAVE):
        for mode in ("RGB", "L", "1", "P"):
            with contextlib.suppress(Exception):
                found.setdefault(form, encoded(plain(mode), form))
    assert len(found) > 20
    return found


DRAWN = drawn_by_pillow()
POSTSCRIPT = (
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
)


def dressed(data: bytes, place: int, sign: bytes) -> bytes:
    return data[:place].ljust(place, b"\0") + sign + data[place + len(sign) :]


def test_what_wears_a_signature_is_read_as_what_it_says_it_is() -> None:
    """Pillow guesses else: PostScript with WEBP at its ninth byte ran Ghostscript."""

    def check(form: str, worn: str) -> None:
        data = dressed({**DRAWN, "PostScript": POSTSCRIPT}[form], *SIGNATURES[worn])
        try_out(data, f"a.{worn}")

    forms = [*DRAWN, "PostScript"]
    check_rows([(form, worn) for form in forms for worn in SIGNATURES], check)
    assert gip.image_type(dressed(POSTSCRIPT, 8, b"WEBP")) is None


SEEDS = [data for data, _ in (*GOES.values(), *CONVERTED.values())] + [*DRAWN.values()]


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, on what is broken here
@given(st.binary(max_size=400))
def test_any_bytes_are_a_note_at_most(data: bytes) -> None:
    try_out(data)


@pytest.mark.filterwarnings("ignore::UserWarning")  # as above
@given(st.sampled_from(SEEDS), st.integers(0, 400), st.binary(max_size=200))
def test_any_end_of_a_good_head_is_a_note_at_most(
    seed: bytes, kept: int, rest: bytes
) -> None:
    try_out(seed[:kept] + rest)


@pytest.mark.filterwarnings("ignore::UserWarning")  # as above
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 900), st.integers(0, 255)), max_size=6),
)
def test_any_changed_byte_is_a_note_at_most(
    seed: bytes, changes: list[tuple[int, int]]
) -> None:
    data = bytearray(seed)
    for place, value in changes:
        data[place % len(data)] = value
    try_out(bytes(data))


# ── What it costs ────────────────────────────────────────────────────────────────────

MEASURED = """
import base64, sys
import gemini_image_pipe as gip
from drawing import encoded, plain, ready_picture

def peak():
    with open("/proc/self/status") as file:
        return next(int(l.split()[1]) for l in file if l.startswith("VmHWM"))

for form in ("PNG", "GIF", "AVIF"):
    gip.smaller_picture(ready_picture(encoded(plain(), form), ""), 99_999)
gip.smaller_picture(gip.checked_picture(encoded(plain(), "WEBP"), ""), 99_999)
for line in sys.stdin:
    data, before = base64.b64decode(line), peak()
    gip.picture_pixels(data)
    try:
        image = ready_picture(data, "")
        if len(sys.argv) > 1:
            gip.smaller_picture(image, int(sys.argv[1]))
    except gip.UnusablePicture:
        pass
    print(peak() - before)
"""


def extra_memory(pictures: Iterable[bytes], *limit: str) -> list[int]:
    """Bytes that a process takes for each picture beyond those for all before."""
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *limit],
        input=b"\n".join(map(base64.b64encode, pictures)),
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONPATH": f"{here.parents[1]}:{here}"},
    )
    return [int(line) * 1024 for line in done.stdout.split()]


DECLARED = {
    "webp": webp_bomb(9_999, 9_999),
    "webp of the largest size": webp_bomb(16_000, 16_000),
    "webp frame": webp(b"VP8X", bytes(4) + b"\x0e\x27\0\x0e\x27\0"),
    "png": bomb(30_000, 30_000),
    "png of a passing size": bomb(9_999, 9_999),
    "jpeg": jpeg_bomb(9_999, 9_999),
    "jpeg progressive": jpeg_bomb(9_999, 9_999, frame=0xC2),
    "bmp": bmp(9_999, 9_999, 24, 0, bytes(99)),
    "gif": gif()[:6] + struct.pack("<HH", 9_999, 9_999) + gif()[10:],
    "tiff": tiff((256, 4, 1, 9_999), (257, 4, 1, 9_999)),
    "tiff tile": tiff((322, 4, 1, 30_000), (323, 4, 1, 30_000)),
    "tiff tags": tiff_of(TAGS_OF_AN_EXIF, bytes(60_000)),
    "avif": AVIF.replace(struct.pack(">II", 64, 64), struct.pack(">II", 9_999, 9_999)),
}


def test_a_declared_size_costs_no_memory() -> None:
    """Six pictures of 83 bytes took gigabytes, and the event loop with it."""
    taken = dict(zip(DECLARED, extra_memory(DECLARED.values()), strict=True))
    assert max(taken.values()) < 8_000_000, taken


def test_pillow_is_given_no_notes_of_a_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some of its versions read each table of them, whatever length it declares."""
    read: list[bytes] = []
    real = PIL.Image.open

    def recorded(file: io.BytesIO, **more: Any) -> PIL.Image.Image:
        read.append(file.getvalue())
        return real(file, **more)

    noted = PNG[:33] + png_chunk(b"iTXt", b"Exif") + PNG[33:]
    for data in (of_camera(PHOTO), noted):
        image = gip.checked_picture(data, "")
        with monkeypatch.context() as patch:
            patch.setattr(PIL.Image, "open", recorded)
            gip.smaller_picture(image, 1_000)
    for given_to_pillow in read:
        picture, _, _ = given_to_pillow.partition(b"\xff\xd9")
        assert not any(n in picture for n in (b"Exif", b"MPF\0", b"ns.adobe.com"))
    assert len(read) == 2


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF"])
def test_decoding_stays_below_its_bound(form: str) -> None:
    """The largest picture of a format that is decoded."""
    [kind] = [f for f in map(gip.picture_format, ASKED) if f.pillow == form]
    side = int((gip.MAX_DECODING_BYTES // kind.weight) ** 0.5 / 2) * 2
    grey = noise("L", (250, 250)).resize((side, side), PIL.Image.Resampling.BOX)
    data = encoded(PIL.Image.merge("RGB", [grey] * 3), form)
    [taken] = extra_memory([data], "3000000")
    assert taken < 300_000_000


def test_checking_takes_time_in_proportion_to_the_bytes() -> None:
    """All of it is done for everybody's pictures; and the interpreter is held."""
    rng = random.Random(3)

    def long_jpeg(size: int) -> bytes:
        at = JPEG.index(b"\xff\xda") + 14
        return JPEG[:at] + b"\xff\0" * (size // 2) + JPEG[at:]

    def long_png(size: int) -> bytes:
        return PNG[:33] + png_chunk(b"tEXt", rng.randbytes(size)) + PNG[33:]

    def many_chunks(size: int) -> bytes:
        return PNG[:33] + png_chunk(b"tEXt", b"") * (size // 12) + PNG[33:]

    def long_gif(size: int) -> bytes:
        return gif(b"!\xfe" + b"\1x" * (size // 2) + b"\0")

    def check(make: Callable[[int], bytes]) -> None:
        def work(data: bytes) -> None:
            with contextlib.suppress(gip.UnusablePicture):
                gip.checked_picture(data, "")

        assert growth(work, make, 40_000) < 20

    check_rows([(long_jpeg,), (long_png,), (many_chunks,), (long_gif,)], check)


# ── Items that are all the same bytes ────────────────────────────────────────────────


def full_box(kind: bytes, content: bytes, head: bytes = bytes(4)) -> bytes:
    return struct.pack(">I4s", 12 + len(content), kind) + head + content


def avif_of_items(items: int, units: int) -> bytes:
    """An AVIF whose items are all the same, of so many empty units each."""
    coded = b"\x0a\x00" * units
    names = (struct.pack(">HH4sx", n, 0, b"av01") for n in range(items))
    kinds = b"".join(full_box(b"infe", name, b"\2\0\0\0") for name in names)
    size = full_box(b"ispe", struct.pack(">II", 4000, 4000))
    sizes = struct.pack(">I4s", 8 + len(size), b"ipco") + size
    start = struct.pack(">I4s4s4x4s4s", 24, b"ftyp", b"avif", b"avif", b"mif1")

    def head(place: int) -> bytes:
        where = (
            struct.pack(">HHHII", n, 0, 1, place, len(coded)) for n in range(items)
        )
        count = struct.pack(">H", items)
        meta = full_box(b"iinf", count + kinds)
        meta += full_box(b"iloc", b"\x44\0" + count + b"".join(where))
        meta += struct.pack(">I4s", 8 + len(sizes), b"iprp") + sizes
        return start + full_box(b"meta", meta)

    place = len(head(0)) + 8
    return head(place) + struct.pack(">I4s", 8 + len(coded), b"mdat") + coded


def test_the_units_of_an_avif_are_counted_over_all_of_its_items() -> None:
    """Else a few bytes that a thousand items share would be read a thousand times."""
    assert gip.checked_picture(avif_of_items(1_000, 3), "").mime == "image/avif"
    with pytest.raises(gip.UnusablePicture) as caught:
        gip.checked_picture(avif_of_items(1_000, 900), "")
    assert caught.value.kind == "odd_form"
