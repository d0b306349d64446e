"""The IAB's schemas and samples, which may not be part of this repository."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from lxml import etree

_BESIDE = Path(__file__).parents[2] / "../shared/conformance"
ROOT = Path(os.environ.get("HOMECAST_CONFORMANCE", _BESIDE)) / "vast"
SAMPLES = sorted((ROOT / "samples").glob("*/*.xml"))
MISSING = "the IAB's schemas and samples are not beside the checkout"

_SCHEMAS = {
    "2.0": "vast_2.0.1.xsd",
    "3.0": "vast3_draft.xsd",
    "4.0": "vast4.xsd",
    "4.1": "vast_4.1.xsd",
    "4.2": "vast_4.2.xsd",
}


@cache
def iab_schema(version: str) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(ROOT / _SCHEMAS[version]))


@cache
def lenient_schema(version: str) -> etree.XMLSchema:
    """The same with any text for a URI: libxml2 takes no macro like [ERRORCODE] in one."""
    text = (ROOT / _SCHEMAS[version]).read_bytes().replace(b'"xs:anyURI"', b'"xs:string"')
    return etree.XMLSchema(etree.fromstring(text))
