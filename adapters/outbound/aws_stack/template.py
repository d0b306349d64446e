"""The CloudFormation template: the files under ``deploy/resources`` put together.

``serverless.yml`` includes the same files. They hold plain YAML with intrinsic functions in long
form, so no CloudFormation-aware parser is needed.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

RESOURCES = Path(__file__).parents[3] / "deploy" / "resources"

Template = dict[str, dict[str, Any]]


def load_template(directory: Path = RESOURCES) -> Template:
    """Sections (``Resources``, ``Outputs``, …) with the entries of all files."""
    template: Template = {}
    for file in sorted(directory.glob("*.yml")):
        for section, entries in yaml.safe_load(file.read_text()).items():
            template.setdefault(section, {}).update(entries)
    if "Resources" not in template:
        raise FileNotFoundError(f"no resources under {directory}: run this in a checkout")
    return template


def resources_of(template: Template, kind: str) -> dict[str, dict[str, Any]]:
    """Properties by logical name of all resources of a kind (``AWS::DynamoDB::Table``)."""
    return {
        name: resource.get("Properties", {})
        for name, resource in template["Resources"].items()
        if resource["Type"] == kind
    }


def is_conditional(output: dict[str, Any]) -> bool:
    """Whether its value hangs on a condition: on the embedded AWS it is empty."""
    return isinstance(output["Value"], dict) and "Fn::If" in output["Value"]


def variable_of(output: str) -> str:
    """``DevicesEventsTable`` → ``HOMECAST_DEVICES_EVENTS_TABLE``."""
    return "HOMECAST_" + re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", output).upper()
