"""Whether Google would read a picture or PDF: its type by its first bytes, and decoding.

ai.google.dev/gemini-api/docs/image-understanding, "Supported image formats", and
/document-processing
"""

from __future__ import annotations

import hashlib
import io
import threading

from PIL import Image

from dev.standin.errors import GoogleError, invalid, unprocessable_image

PDF = "application/pdf"
MAX_PDF_BYTES = 50_000_000
ACCEPTED = ("image/png", "image/jpeg", "image/webp", "image/heic", "image/heif")

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"%PDF-", "application/pdf"),
    (b"<svg", "image/svg+xml"),
)
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")

_verdicts: dict[bytes, bool] = {}
_lock = threading.Lock()


def type_of(data: bytes) -> str:
    """The media type that the bytes themselves show; empty if none."""
    for magic, mime in _MAGIC:
        if data.startswith(magic):
            return mime
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[4:8] == b"ftyp":
        return "image/heic" if data[8:12] in _HEIF_BRANDS else "image/avif"
    return ""


def refusal_of(mime: str, data: bytes, reads_pdf: bool = False) -> GoogleError | None:
    """Why Google would not take these bytes as this type; None if it would."""
    if mime == PDF and reads_pdf:
        return _refusal_of_pdf(data)
    if mime not in ACCEPTED:
        return invalid(f"Unsupported MIME type: {mime}")
    real = type_of(data)
    if not real:
        return unprocessable_image()
    if real != mime and {real, mime} != {"image/heic", "image/heif"}:
        return invalid(f"Unhandled generated data mime type: {real}")
    return None if _decodes(real, data) else unprocessable_image()


def _refusal_of_pdf(data: bytes) -> GoogleError | None:
    """Google's text for one that it cannot open is known; nothing renders it here."""
    if len(data) > MAX_PDF_BYTES:
        return invalid("Request contains an invalid argument.")
    is_whole = type_of(data) == PDF and b"%%EOF" in data[-1_024:]
    return None if is_whole else invalid("The document has no pages.")


def _decodes(mime: str, data: bytes) -> bool:
    """Whether all of it decodes; each picture is tried once."""
    if mime in ("image/heic", "image/heif"):
        return True  # Pillow alone cannot tell
    digest = hashlib.sha256(data).digest()
    with _lock:
        known = _verdicts.get(digest)
    if known is None:
        known = _try_to_decode(data)
        with _lock:
            _verdicts[digest] = known
    return known


def _try_to_decode(data: bytes) -> bool:
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
    except Exception:  # decoders fail in ways of their own
        return False
    return True
