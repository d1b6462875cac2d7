"""What hosts show of the function in other languages, as ``manifest.json`` carries it.

Hosts from 0.11.4 on keep it when the file is imported (``meta.i18n``), and their pages
take what they show from there: first by their own language tag, then by its first part,
so that one form of Chinese serves all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import BaseModel

    from gemini_image_pipe import Reader


def translations() -> dict[str, dict[str, str]]:
    """The texts by language and name; the language of the file itself is left out."""
    from gemini_image_pipe import LANGUAGES, Reader

    return {
        language.partition("-")[0]: {
            name: text for name, text in _texts(Reader(language)) if text
        }
        for language in LANGUAGES[1:]
    }


def _texts(reader: Reader) -> Iterator[tuple[str, str]]:
    from gemini_image_pipe import FUNCTION_WORDS, Pipe

    for name, row in FUNCTION_WORDS.items():
        yield name, row.get(reader.language, "")
    yield from _of_dialogue("valves", Pipe.Valves, reader)
    yield from _of_dialogue("user_valves", Pipe.UserValves, reader)


def _of_dialogue(
    dialogue: str, settings: type[BaseModel], reader: Reader
) -> Iterator[tuple[str, str]]:
    """Title, description and choices of each setting."""
    from gemini_image_pipe import VALVE_TITLES, VALVE_VALUES

    for name, setting in settings.model_json_schema()["properties"].items():
        of_user = dialogue == "user_valves"
        yield f"{dialogue}.{name}.title", VALVE_TITLES[name].get(reader.language, "")
        yield f"{dialogue}.{name}.description", described(name, reader, of_user)
        for value in setting.get("enum", ()):
            text = VALVE_VALUES.get(value, {}).get(reader.language, "")
            yield f"{dialogue}.{name}.enum.{value}", text


def described(name: str, reader: Reader, of_user: bool = False) -> str:
    """What a dialogue says of a setting."""
    from gemini_image_pipe import (
        OPTION_BY_NAME,
        option_description,
        valve_description,
    )

    if option := OPTION_BY_NAME.get(name):
        return option_description(option.field, reader, of_user)
    return valve_description(name, reader, of_user)
