"""What goes over the wire, for others to read: a JSON Schema of each event, an AsyncAPI document of a stream."""

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import msgspec

from pyventus_typed.nats._codec import JsonCodec
from pyventus_typed.nats._stream import JetStream
from pyventus_typed.nats._wire import ANY, ID, SOURCE, TIME, TYPE

Document: TypeAlias = dict[str, Any]  # Any: JSON

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def event_schemas(codec: JsonCodec[Any]) -> Document:  # Any: of whatever family
    """Wire name to JSON Schema, for every name that can be read, retired ones too.

    Titles and descriptions are left out: a class or a docstring may change, and the wire stays the same.
    """
    found: Document = {}
    for name, shape in sorted(codec.shapes().items()):
        (top,), parts = msgspec.json.schema_components([shape], ref_template="#/$defs/{name}")
        found[name] = _without_prose({"$schema": _DIALECT, **top, "$defs": parts})
    return found


def asyncapi(stream: JetStream[Any], codec: JsonCodec[Any], *, version: str) -> Document:  # Any: of whatever family
    """The stream as an AsyncAPI 3.0 document: what is published into it, and under which subjects."""
    shapes = codec.shapes()
    written = codec.written()
    references, schemas = msgspec.json.schema_components(shapes.values(), ref_template="#/components/schemas/{name}")
    channels: Document = {}
    operations: Document = {}
    messages: Document = {}
    for name, reference in zip(shapes, references, strict=True):
        messages[name] = {
            "name": name,
            "contentType": codec.content_type,
            "headers": {"$ref": "#/components/schemas/cloudevents"},
            "payload": reference,
        }
        if name not in written:
            messages[name]["summary"] = "Retired: it is read, and no longer published."
        channels[name] = {
            "address": f"{stream.stream}.{{lane}}.{name}",
            "parameters": {"lane": _lane(stream)},
            "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        }
        if name in written:
            operations[f"publish {name}"] = {"action": "send", "channel": {"$ref": f"#/channels/{name}"}}
    schemas["cloudevents"] = {
        "type": "object",
        "description": "CloudEvents 1.0, binary mode.",
        "properties": {
            "ce-specversion": {"type": "string", "const": "1.0"},
            ID: {"type": "string"},
            TYPE: {"type": "string"},
            SOURCE: {"type": "string"},
            TIME: {"type": "string", "format": "date-time"},
            "ce-datacontenttype": {"type": "string"},
        },
        "required": ["ce-specversion", ID, TYPE, SOURCE],
    }
    return {
        "asyncapi": "3.0.0",
        "info": {"title": stream.stream, "version": version},
        "defaultContentType": codec.content_type,
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": schemas},
    }


def schema_changes(before: Document, now: Document) -> list[str]:
    """What differs between two results of ``event_schemas``, one line for each name."""
    lines = [f"{name}: is no longer read" for name in sorted(before.keys() - now.keys())]
    lines += [f"{name}: is new" for name in sorted(now.keys() - before.keys())]
    lines += [
        f"{name}: {', '.join(_differences(before[name], now[name], '$'))}"
        for name in sorted(before.keys() & now.keys())
        if before[name] != now[name]
    ]
    return lines


def _lane(stream: JetStream[Any]) -> Document:  # Any: of whatever family
    lane: Document = {"description": "The lane of the ordering key, or 'any' for an event without one."}
    if stream.settings is not None:
        lane["enum"] = [ANY, *map(str, range(stream.settings.lanes))]
    return lane


def _without_prose(schema: object) -> Any:  # Any: JSON
    """*schema* without titles and descriptions; a field may have such a name, and stays."""
    if isinstance(schema, list):
        return [_without_prose(part) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    return {
        key: {name: _without_prose(part) for name, part in value.items()}
        if key in {"properties", "$defs"} and isinstance(value, Mapping)
        else _without_prose(value)
        for key, value in schema.items()
        if key not in {"title", "description"}
    }


def _differences(before: object, now: object, path: str) -> list[str]:
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        found: list[str] = []
        for key in sorted({*before, *now}):
            if key not in now:
                found.append(f"{path}.{key} is gone")
            elif key not in before:
                found.append(f"{path}.{key} is new")
            elif before[key] != now[key]:
                found += _differences(before[key], now[key], f"{path}.{key}")
        return found
    return [f"{path} was {before!r} and is {now!r}"]
