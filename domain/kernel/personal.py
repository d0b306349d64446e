"""Personal data, marked where it is declared, so that it can be forgotten (crypto-shredding).

A personal field is stored and published encrypted under the data key of its subject (an account).
When the key is destroyed, the field reads as what the mark says, and everything else goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel

FORGOTTEN = "[forgotten]"


@dataclass(frozen=True)
class Personal:
    """Marks a field: ``name: Annotated[str, Personal()]``.

    ``erased``: what stands there when the subject was forgotten; it has to fit the field.
    """

    erased: object = FORGOTTEN


@cache
def personal_fields(model: type[BaseModel]) -> dict[str, object]:
    """Names of the marked fields, with what they hold once their subject is forgotten."""
    return {
        name: mark.erased
        for name, field in model.model_fields.items()
        for mark in field.metadata
        if isinstance(mark, Personal)
    }


def require_subject(model: type[BaseModel], subject: str | None) -> None:
    """Raises ``TypeError`` for personal fields that nobody could seal: of no subject, the subject
    itself, or inside another field."""
    personal = personal_fields(model)
    if personal and (subject not in model.model_fields or subject in personal):
        raise TypeError(f"{model.__name__} has personal fields; its SUBJECT names their account")
    for name, field in model.model_fields.items():
        if any(personal_fields(inner) for inner in _models_in(field.annotation)):
            raise TypeError(f"{model.__name__}.{name} has personal fields inside; mark it whole")


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that a field's type is made of, however deep."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from _models_in(field.annotation)
    for argument in get_args(annotation):
        yield from _models_in(argument)
