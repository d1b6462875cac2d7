"""API keys that the stand-in knows, and what each of them may do.

Keys of the form `stand-in-key-NAME` let a test choose a refusal where no prompt can:
when the models are listed, and for every request of one key. Behind a dot they change:
`stand-in-key-day.after-2` is good for two pictures first, `stand-in-key-minute.wait-2s`
names that retryDelay, and anything else makes another key of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from dev.standin import errors
from dev.standin.errors import GoogleError

DEFAULT_KEY = "stand-in-key"


@dataclass(frozen=True)
class KeyRights:
    """What a key meets: a refusal of everything, of generating (once it has been good
    for so many requests), or fewer models."""

    key: str = ""
    good_for: int = 0
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
    name, *marks = key.split(".")
    rights = replace(KEYS.get(name, KEYS["stand-in-key-invalid"]), key=key)
    for mark in marks:
        rights = _changed(rights, name, mark)
    return rights


_WITH_DELAY: dict[str, Callable[[str], GoogleError]] = {
    "stand-in-key-minute": errors.quota_minute,
    "stand-in-key-day": errors.quota_day,
}


def _changed(rights: KeyRights, name: str, mark: str) -> KeyRights:
    """The rights as one of the marks behind a key's name changes them."""
    kind, _, value = mark.partition("-")
    if kind == "after":
        refusal = rights.refuses or rights.refuses_generate
        good_for = int(value)
        return replace(
            rights, refuses=None, refuses_generate=refusal, good_for=good_for
        )
    if kind == "wait":
        return replace(rights, refuses_generate=partial(_WITH_DELAY[name], value))
    return rights
