#!/usr/bin/env python3
# validate.py - holds bodies against the JSON Schema of their target.
# SPDX-License-Identifier: ISC
#
# usage: validate.py DIR - each file FORMAT.CASE.json there is held against
# tests/schemas/FORMAT.json ("json" against contrib/alert.schema.json).
import json
import pathlib
import sys

import jsonschema

failed = 0
count = 0
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.json")):
    name = path.name.split(".")[0]
    schema = pathlib.Path("contrib/alert.schema.json" if name == "json"
                          else f"tests/schemas/{name}.json")
    validator = jsonschema.Draft202012Validator(
        json.loads(schema.read_text()), format_checker=jsonschema.FormatChecker())
    count += 1
    for error in validator.iter_errors(json.loads(path.read_text())):
        failed += 1
        print(f"{path.name}: {'/'.join(map(str, error.absolute_path))}: {error.message[:300]}")
print(f"{count} bodies held against their schema, {failed} errors")
sys.exit(1 if failed or not count else 0)
