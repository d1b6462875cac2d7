"""API keys that the stand-in knows, and what each of them may do.

Keys of the form `stand-in-key-NAME` let a test choose a refusal where no prompt can:
when the models are listed, and for every request of one key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dev.standin import errors
from dev.standin.errors import GoogleError

DEFAULT_KEY = "stand-in-key"


@dataclass(frozen=True)
class KeyRights:
    """What a key meets: a refusal of everything, of generating, or fewer models."""

    refuses: Callable[[], GoogleError] | None = None
    refuses_generate: Callable[[], GoogleError] | None = None
    sees_model: Callable[[str], bool] = lambda model_id: True


_OLDER = {"gemini-2.5-flash-image", "gemini-3.1-flash-image"}

KEYS: dict[str, KeyRights] = {
    DEFAULT_KEY: KeyRights(),
    # A second good key, for rotation.
    "stand-in-key-second": KeyRights(),
    "stand-in-key-invalid": KeyRights(refuses=errors.key_invalid),
    "stand-in-key-expired": KeyRights(refuses=errors.key_expired),
    "stand-in-key-leaked": KeyRights(refuses=errors.key_leaked),
    "stand-in-key-restricted": KeyRights(refuses=errors.key_restricted),
    "stand-in-key-referrer": KeyRights(refuses=errors.key_referrer),
    "stand-in-key-disabled": KeyRights(refuses=errors.service_disabled),
    "stand-in-key-oauth": KeyRights(refuses=errors.token_type_unsupported),
    "stand-in-key-location": KeyRights(refuses=errors.location),
    # These list models as any other key and fail only when they should generate.
    "stand-in-key-free": KeyRights(refuses_generate=errors.quota_zero),
    "stand-in-key-prepaid": KeyRights(refuses_generate=errors.quota_prepaid),
    "stand-in-key-minute": KeyRights(refuses_generate=errors.quota_minute),
    "stand-in-key-day": KeyRights(refuses_generate=errors.quota_day),
    "stand-in-key-country": KeyRights(refuses_generate=errors.country),
    # These see fewer models.
    "stand-in-key-text-only": KeyRights(sees_model=lambda model_id: False),
    "stand-in-key-older": KeyRights(sees_model=_OLDER.__contains__),
}


def rights_of(key: str, extra_key: str) -> KeyRights:
    """The rights of a key; one that nobody issued is refused as invalid."""
    if key == extra_key:
        return KEYS[DEFAULT_KEY]
    return KEYS.get(key, KEYS["stand-in-key-invalid"])
