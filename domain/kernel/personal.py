"""Personal data, marked where it is declared, so that it can be forgotten (crypto-shredding).

A personal field is stored and published encrypted under the data key of its subject (an account).
When the key is destroyed, the field reads as what the mark says, and everything else goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

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
