"""Typed settings: a frozen dataclass per stage, filled from JSON, strict about keys and types."""

import dataclasses
import difflib
import json
import types
import typing
from pathlib import Path

from soundstage.errors import UserError


def load(cls, text_or_path=None):
    """Return `cls` filled from a JSON string, a JSON file, a dict, or its defaults when None.

    Unknown keys and wrong types raise a UserError that names the key and what is allowed.
    """
    if text_or_path is None:
        return cls()
    if isinstance(text_or_path, dict):
        return build(cls, text_or_path)
    text = str(text_or_path)
    if not text.lstrip().startswith("{"):
        try:
            text = Path(text).read_text(encoding="utf-8")
        except OSError as error:
            raise UserError(f"cannot read the settings file ({error.strerror})", text) from None
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"expected settings as JSON, found {error}", text_or_path) from None
    return build(cls, values)


def build(cls, values, where="settings"):
    """Return dataclass `cls` from a dict; nested dataclasses are built from nested dicts."""
    if not isinstance(values, dict):
        raise UserError(f"expected a mapping, found {values!r}", where)
    fields = {field.name: field for field in dataclasses.fields(cls)}
    for key in values:
        if key not in fields:
            close = difflib.get_close_matches(key, fields, 1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            raise UserError(f"unknown key {key!r}", where, f"{hint}allowed: {', '.join(fields)}")
    hints = typing.get_type_hints(cls)
    return cls(**{k: _typed(hints[k], value, f"{where}.{k}") for k, value in values.items()})


def _typed(hint, value, where):
    """Return `value` as the type of `hint`, or raise a UserError that names both."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return build(hint, value, where)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return _typed(next(a for a in arguments if a is not type(None)), value, where)
    if origin in (tuple, list):
        if not isinstance(value, list | tuple):
            raise UserError(f"expected a list, found {value!r}", where)
        return tuple(_typed(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if origin is dict:
        if not isinstance(value, dict):
            raise UserError(f"expected a mapping, found {value!r}", where)
        return {key: _typed(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    return _scalar(hint, value, where)


def _scalar(hint, value, where):
    whole = isinstance(value, int) and not isinstance(value, bool)
    if hint is float and (whole or isinstance(value, float)):
        return float(value)
    if hint is int and whole:
        return value
    if hint in (str, bool) and isinstance(value, hint):
        return value
    raise UserError(f"expected {hint.__name__}, found {value!r}", where)


def dumps(value):
    """Return canonical JSON (sorted keys, no spaces) of a dict or a settings dataclass."""
    if dataclasses.is_dataclass(value):
        value = dataclasses.asdict(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
