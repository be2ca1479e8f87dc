"""A mapping in Python: the display name as "Lovelace, Ada", so that lists of people sort by family name."""

import json
from typing import List, Optional

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.mapping import Answer, Batch, Contract, Outcome_Edits
from wit_world.imports.types import Apply, Edit, Manifest, Read, Shape, TargetValue_Plain, Value_Text, Values, Write

READS = ["sn", "givenName"]
WRITES = ["displayName"]
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "separator": {
            "type": "string",
            "minLength": 1,
            "maxLength": 8,
            "default": ", ",
            "description": "What stands between family name and given name.",
        }
    },
}

# What stands between the names; the configuration may say otherwise.
separator = ", "


class Lifecycle(exports.Lifecycle):
    def describe(self) -> Manifest:
        notes = [("description", "The display name with the family name first.")]
        return Manifest("sort-name", "0.1.0", json.dumps(SCHEMA), notes)

    def configure(self, document: str) -> None:
        """The host has checked the document against the schema. An operator reads what is raised as Err."""
        global separator
        try:
            separator = json.loads(document).get("separator", separator)
        except ValueError as error:
            raise Err(str(error))

    def summary(self) -> Optional[str]:
        return None


class Mapping(exports.Mapping):
    def describe_contract(self) -> Optional[Contract]:
        reads = [Read(name, Shape.TEXT) for name in READS]
        writes = [Write(name, Apply.ALWAYS) for name in WRITES]
        return Contract(["user"], reads, [], None, writes, False)

    def transform(self, cycle_time: Optional[int], batch: Batch) -> List[Answer]:
        return [Answer(Outcome_Edits(edits(*entry)), None) for entry in texts(batch.entries, len(READS))]


def edits(family_name: Optional[str], given_name: Optional[str]) -> List[Edit]:
    """Nothing is set where a name is missing, so the display name stays as the rules before made it."""
    if not family_name or not given_name:
        return []
    return [Edit(0, TargetValue_Plain(Value_Text(family_name + separator + given_name)))]


def texts(values: Values, reads: int) -> List[List[Optional[str]]]:
    """The texts of each entry, in the places of the contract's reads."""
    entries: List[List[Optional[str]]] = [[None] * reads for _ in range(values.count)]
    spans = iter(values.spans)
    for entry, place, start, length in zip(spans, spans, spans, spans):
        entries[entry][place] = values.octets[start : start + length].decode()
    return entries
