"""Checks a JSON text on stdin against a schema, and prints a line `key.key value` for each value in it.

usage: flat.py SCHEMA

An array has an item's `pid` in place of its number, where it has one.
"""
import json
import sys

TYPES = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "null": type(None)}


def is_of(value, name):
    return isinstance(value, TYPES[name]) and (name != "integer" or not isinstance(value, bool))


def check(value, rule, where):
    names = rule.get("type", [])
    names = [names] if isinstance(names, str) else names
    assert not names or any(is_of(value, name) for name in names), f"{where}: {value!r} is not of {names}"
    assert value in rule.get("enum", [value]), f"{where}: {value!r}"
    assert value == rule.get("const", value), f"{where}: {value!r}"
    if isinstance(value, dict):
        known = rule.get("properties", {})
        assert set(rule["required"]) <= set(value), f"{where} lacks {set(rule['required']) - set(value)}"
        for key, item in value.items():
            assert key in known or "additionalProperties" in rule, f"{where} has {key}"
            check(item, known.get(key, rule.get("additionalProperties")), f"{where}.{key}")
    elif isinstance(value, list):
        for item in value:
            check(item, rule["items"], where)


def show(value, path):
    if isinstance(value, dict):
        for key, item in value.items():
            show(item, path + [key])
    elif isinstance(value, list):
        for number, item in enumerate(value):
            pid = item.get("pid") if isinstance(item, dict) else None
            show(item, path + [str(number if pid is None else pid)])
    else:
        print(".".join(path), json.dumps(value) if not isinstance(value, str) else value)


schema = json.load(open(sys.argv[1]))
text = sys.stdin.buffer.read().decode("utf-8")
assert text.endswith("}\n") and text[:-1].isprintable(), ascii(text)
content = json.loads(text)
check(content, schema, "")
show(content, [])
