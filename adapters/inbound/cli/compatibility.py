"""What a change of a released event's schema breaks, for those who read it and for old events.

New optional fields, further values of an enumeration, further kinds of a tagged union and wider
ranges are additions. Everything else is not, and neither is what this module does not know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]
LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
RESTRICTIONS = ("pattern", "multipleOf", "uniqueItems")
"""May be lifted, but neither come nor change."""
COMPARED = {"properties", "required", "anyOf", "oneOf", "items", "enum", "const", "type"}
COMPARED |= {"additionalProperties", "$ref", "$defs", "$id", "$schema", "discriminator"}
COMPARED |= {*LOWER, *UPPER, *RESTRICTIONS}


def breaks(old: Schema, new: Schema) -> list[str]:
    """A line for each breaking change, with the path of the field; none: the change is fine."""
    return list(Comparison(old, new).of(old, new, "data"))


class Comparison:
    def __init__(self, old: Schema, new: Schema) -> None:
        self._old = old.get("$defs", {})
        self._new = new.get("$defs", {})

    def of(self, old: Schema, new: Schema, at: str) -> Iterator[str]:
        old, new = _resolved(old, self._old), _resolved(new, self._new)
        if "anyOf" in old or "oneOf" in old or "anyOf" in new or "oneOf" in new:
            yield from self._union(old, new, at)
        elif (before := _values(old)) is not None:
            yield from _enumeration(before, _values(new), at)
        elif old.get("type") != new.get("type") or _values(new) is not None:
            yield f"{at} was retyped from {_name(old)} to {_name(new)}"
            return
        yield from _ranges(old, new, at)
        yield from self._object(old, new, at)
        yield from self._inside(old, new, at)
        for keyword in sorted((old.keys() | new.keys()) - COMPARED):
            if old.get(keyword) != new.get(keyword):
                yield f"{at}: {_said(keyword, old)} became {_said(keyword, new)}"

    def _object(self, old: Schema, new: Schema, at: str) -> Iterator[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        needed_before, needed = set(old.get("required", ())), set(new.get("required", ()))
        for name, field in before.items():
            if name not in after:
                yield f"{at}.{name} was removed or renamed"
                continue
            if name in needed_before - needed:
                yield f"{at}.{name} is no longer always there"
            if name in needed - needed_before:
                yield f"{at}.{name} has to be there now, and older events lack it"
            yield from self.of(field, after[name], f"{at}.{name}")
        for name in sorted((after.keys() - before.keys()) & needed):
            yield f"{at}.{name} was added as a field that has to be there"

    def _inside(self, old: Schema, new: Schema, at: str) -> Iterator[str]:
        """What lists hold, and objects without named fields."""
        for keyword, place in (("items", f"{at}[]"), ("additionalProperties", f"{at}.*")):
            before, after = old.get(keyword, True), new.get(keyword, True)
            if before is False or before == after:
                continue
            if isinstance(before, Mapping) and isinstance(after, Mapping):
                yield from self.of(before, after, place)
            else:
                yield f"{place} was retyped"

    def _union(self, old: Schema, new: Schema, at: str) -> Iterator[str]:
        before, after = self._options(old, self._old), self._options(new, self._new)
        for name, option in before.items():
            if name not in after:
                yield f"{at} can no longer be {name}"
            else:
                yield from self.of(option, after[name], f"{at}<{name}>")
        added = sorted(after.keys() - before.keys())
        if added and not (_tag(old) and _tag(new)):
            yield f"{at} was retyped: it can be {' or '.join(added)} now"

    def _options(self, schema: Schema, definitions: Schema) -> dict[str, Schema]:
        """By what tells them apart: their tag, else their type."""
        options = schema.get("oneOf") or schema.get("anyOf") or [schema]
        resolved = [_resolved(option, definitions) for option in options]
        tag = _tag(schema)
        return {_told_by(option, tag): option for option in resolved}


def _resolved(schema: Schema, definitions: Schema) -> Schema:
    while "$ref" in schema:
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        schema = {**definitions[schema["$ref"].rsplit("/", 1)[1]], **beside}
    return schema


def _values(schema: Schema) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    values: list[Any] | None = schema.get("enum")
    return values


def _enumeration(old: list[Any], new: list[Any] | None, at: str) -> Iterator[str]:
    if new is None:
        yield f"{at} was retyped: it is no enumeration any more"
        return
    for value in old:
        if value not in new:
            yield f"{at} can no longer be {value!r}"


def _ranges(old: Schema, new: Schema, at: str) -> Iterator[str]:
    for keyword in LOWER:
        if keyword in new and new[keyword] > old.get(keyword, float("-inf")):
            yield f"{at} was narrowed: {_said(keyword, new)}, and was {_said(keyword, old)}"
    for keyword in UPPER:
        if keyword in new and new[keyword] < old.get(keyword, float("inf")):
            yield f"{at} was narrowed: {_said(keyword, new)}, and was {_said(keyword, old)}"
    for keyword in RESTRICTIONS:
        if keyword in new and new[keyword] != old.get(keyword):
            yield f"{at} was narrowed: {_said(keyword, new)}, and was {_said(keyword, old)}"


def _tag(schema: Schema) -> str | None:
    tag: str | None = schema.get("discriminator", {}).get("propertyName")
    return tag


def _told_by(option: Schema, tag: str | None) -> str:
    if tag is None:
        return _name(option)
    values = _values(option["properties"][tag]) or []
    return "/".join(map(str, values))


def _name(schema: Schema) -> str:
    if _values(schema) is not None:
        return "an enumeration"
    return str(schema.get("format") or schema.get("type") or "anything")


def _said(keyword: str, schema: Schema) -> str:
    return f"{keyword} {schema[keyword]!r}" if keyword in schema else f"no {keyword}"
