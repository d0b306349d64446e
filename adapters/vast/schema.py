"""The tables of ``grammar`` as a schema that libxml2 checks an ad against in microseconds.

An ad that is right already, as most are, needs no mending: the check is what makes that cheap.
"""

from __future__ import annotations

from functools import cache

from lxml import etree

from .grammar import EVENTS, KINDS, Child, ElementType, grammar

_XS = "http://www.w3.org/2001/XMLSchema"
_ANY = '<xs:any minOccurs="0" maxOccurs="unbounded" processContents="skip"/>'
_ROOT = """<xs:element name="VAST"><xs:complexType><xs:sequence>
    <xs:element name="Ad" type="Ad" minOccurs="0" maxOccurs="unbounded"/>
    <xs:element name="Error" type="Error" minOccurs="0" maxOccurs="unbounded"/>
    </xs:sequence><xs:attribute name="version" type="xs:string"/></xs:complexType></xs:element>"""
_ANY_ATTRIBUTE = '<xs:anyAttribute processContents="skip"/>'


@cache
def schema(version: str) -> etree.XMLSchema:
    """For one element Ad, or a VAST of InLine ads alone, without a namespace."""
    kinds = {**KINDS, "event": "|".join(sorted(EVENTS[version]))}
    parts = [f'<xs:schema xmlns:xs="{_XS}"><xs:element name="Ad" type="Ad"/>']
    parts.append(_ROOT)
    parts += [_simple(kind, pattern) for kind, pattern in kinds.items()]
    parts += [_complex(name, one) for name, one in grammar(version).items()]
    return etree.XMLSchema(etree.fromstring("".join((*parts, "</xs:schema>"))))


def _simple(kind: str, pattern: str) -> str:
    space = '<xs:whiteSpace value="collapse"/>'
    return (
        f'<xs:simpleType name="kind.{kind}"><xs:restriction base="xs:string">{space}'
        f'<xs:pattern value="{pattern}"/></xs:restriction></xs:simpleType>'
    )


def _complex(name: str, one: ElementType) -> str:
    attributes = "".join(
        f'<xs:attribute name="{each.name}" type="{_kind(each.kind)}"'
        f' use="{"required" if each.required else "optional"}"/>'
        for each in one.attributes
    )
    attributes += _ANY_ATTRIBUTE if one.any_attribute else ""
    if one.content in ("any", "children"):
        inner = _ANY if one.content == "any" else "".join(map(_particle, one.children))
        body = f"<xs:sequence>{inner}</xs:sequence>{attributes}"
    else:
        extension = f'<xs:extension base="{_kind(one.content)}">{attributes}</xs:extension>'
        body = f"<xs:simpleContent>{extension}</xs:simpleContent>"
    return f'<xs:complexType name="{name}">{body}</xs:complexType>'


def _particle(child: Child) -> str:
    elements = [
        f'<xs:element name="{name}" type="{kind}" minOccurs="{int(child.required)}"'
        f' maxOccurs="{"unbounded" if child.many else 1}"/>'
        for name, kind in child.names
    ]
    return elements[0] if len(elements) == 1 else f"<xs:choice>{''.join(elements)}</xs:choice>"


def _kind(kind: str) -> str:
    return "xs:string" if kind in ("string", "url") else f"kind.{kind}"
