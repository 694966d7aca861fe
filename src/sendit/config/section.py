"""What the tables of a configuration file have in common, and the small types they share."""

from typing import Annotated, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, Strict
from pydantic_core import PydanticCustomError


class Section(BaseModel):
    """A table of a configuration file: fixed once read, and a key it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def is_secret(annotation: object) -> bool:
    """Say whether a field of this type holds a secret."""
    return annotation is SecretStr or any(map(is_secret, get_args(annotation)))


def _one_line(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise PydanticCustomError("text", "is not one line of text; allowed: at least one letter")
    return text


def _name(text: str) -> str:
    if not 1 <= len(text) <= 63 or not set(text) <= set("abcdefghijklmnopqrstuvwxyz0123456789-"):
        raise PydanticCustomError(
            "name", "is not a name; allowed: 1 to 63 of the characters a-z, 0-9 and -"
        )
    return text


Flag = Annotated[bool, Strict()]
Whole = Annotated[int, Strict()]
Count = Annotated[int, Strict(), Field(ge=1)]
Text = Annotated[str, AfterValidator(_one_line)]
Name = Annotated[str, AfterValidator(_name)]
