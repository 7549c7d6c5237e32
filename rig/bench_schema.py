# SPDX-License-Identifier: ISC
"""The JSON Schema of a bench file, by which editors complete its keys and show what they mean.

`python -m rig.bench_schema` prints it; benches/bench.schema.json is what it printed last.
The schema knows keys, types and ranges. What hangs together (a line that is wired must be
there, ...) only `rig.bench` checks.
"""

import json
from typing import Any

from rig.bench import Bench
from rig.facts_file import FactsFile


def bench_schema() -> dict[str, Any]:
    """The schema, of draft 2020-12."""
    schema = Bench.model_json_schema()
    for key in FactsFile.model_fields:  # the reader's own, not the writer's
        del schema["properties"][key]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Bench file of the unikernel LED rig",
        **{key: value for key, value in schema.items() if key != "title"},
    }


def as_text() -> str:
    """As it stands in the file."""
    return json.dumps(bench_schema(), indent=2) + "\n"


if __name__ == "__main__":
    print(as_text(), end="")
