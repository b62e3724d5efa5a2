"""What goes over the wire, for others to read, and a check that it has not changed by accident."""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pyventus_typed import Event
from pyventus_typed.cli import main
from pyventus_typed.nats import JetStream, JsonCodec, StreamSettings, Wire
from pyventus_typed.nats._schemas import asyncapi, event_schemas, schema_changes
from tests.programs import ROOT


class ShopEvent(Event):
    """Everything that happens in the shop."""


@dataclass(frozen=True)
class Money:
    cents: int
    currency: str = "EUR"


@dataclass(frozen=True)
class OrderPaid(ShopEvent):
    """An order was paid."""

    order: int
    price: Money
    title: str = ""


@dataclass(frozen=True)
class OrderPaidV1:
    order: int
    euros: float


def in_cents(old: OrderPaidV1) -> OrderPaid:
    return OrderPaid(old.order, Money(round(old.euros * 100)))


codec = JsonCodec[ShopEvent](Wire("shop.paid.v2", OrderPaid).formerly("shop.paid.v1", OrderPaidV1, in_cents))
stream = JetStream(
    "nats://127.0.0.1:4222", codec, stream="SHOP", settings=StreamSettings(lanes=2), key=lambda _event: ""
)


def references(document: object) -> Iterator[str]:
    if isinstance(document, dict):
        for key, value in document.items():
            if key == "$ref":
                yield value
            yield from references(value)
    elif isinstance(document, list):
        for value in document:
            yield from references(value)


def test_the_schema_of_each_name_accepts_what_is_read_and_refuses_what_is_not() -> None:
    schemas = event_schemas(codec)
    assert list(schemas) == ["shop.paid.v1", "shop.paid.v2"]
    sent = json.loads(codec.encode(OrderPaid(1, Money(250))).data)
    jsonschema.Draft202012Validator(schemas["shop.paid.v2"]).validate(sent)
    jsonschema.Draft202012Validator(schemas["shop.paid.v1"]).validate({"order": 1, "euros": 2.5})
    with pytest.raises(jsonschema.ValidationError, match="'one' is not of type 'integer'"):
        jsonschema.Draft202012Validator(schemas["shop.paid.v2"]).validate({**sent, "order": "one"})
    # Prose is no part of the wire, and a field called title is.
    assert "An order was paid" not in json.dumps(schemas)
    assert "title" in schemas["shop.paid.v2"]["$defs"]["OrderPaid"]["properties"]


def test_the_asyncapi_document_names_each_message_its_subjects_and_its_payload() -> None:
    document = asyncapi(stream, codec, version="2.1.0")
    assert document["info"] == {"title": "SHOP", "version": "2.1.0"}
    assert document["channels"]["shop.paid.v2"]["address"] == "SHOP.{lane}.shop.paid.v2"
    assert document["channels"]["shop.paid.v2"]["parameters"]["lane"]["enum"] == ["any", "0", "1"]
    assert list(document["operations"]) == ["publish shop.paid.v2"]
    assert "Retired" in document["components"]["messages"]["shop.paid.v1"]["summary"]
    for reference in references(document):
        found: Any = document  # Any: JSON
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
    payload = document["components"]["messages"]["shop.paid.v2"]["payload"]
    sent = json.loads(codec.encode(OrderPaid(1, Money(250))).data)
    jsonschema.Draft202012Validator({**payload, "components": document["components"]}).validate(sent)


@pytest.mark.parametrize("settings", [StreamSettings(lanes=2), None], ids=["with lanes", "settings not known"])
def test_the_asyncapi_document_is_valid_by_the_official_schema(settings: StreamSettings | None) -> None:
    official = json.loads(Path(__file__).with_name("asyncapi").joinpath("3.0.0.json").read_text(encoding="utf-8"))
    schema = jsonschema.validators.validator_for(official)(official)
    of = JetStream("nats://127.0.0.1:4222", codec, stream="SHOP", settings=settings)
    document = asyncapi(of, codec, version="1.0.0")
    schema.validate(document)
    spoiled: list[dict[str, object]] = [{"action": "publish"}, {"channel": {}}]
    for spoil in spoiled:  # deep inside, behind references of the schema
        operations = {name: {**operation, **spoil} for name, operation in document["operations"].items()}
        assert not schema.is_valid({**document, "operations": operations})


def test_each_change_of_the_wire_is_named() -> None:
    before = event_schemas(codec)
    assert schema_changes(before, event_schemas(codec)) == []

    @dataclass(frozen=True)
    class Changed(ShopEvent):
        order: str
        price: Money

    now = event_schemas(JsonCodec[ShopEvent](Wire("shop.paid.v2", Changed), Wire("shop.lost.v1", OrderPaid)))
    assert schema_changes(before, now)[:2] == ["shop.paid.v1: is no longer read", "shop.lost.v1: is new"]
    assert schema_changes(before, now)[2].startswith("shop.paid.v2: ")


MODULE = """
from dataclasses import dataclass
from pyventus_typed import Event
from pyventus_typed.nats import JetStream, JsonCodec, Wire
from tests.programs import ROOT

print("imported")

class ShopEvent(Event): pass

@dataclass(frozen=True)
class OrderPaid(ShopEvent):
    order: {kind}

codec = JsonCodec[ShopEvent](Wire("shop.paid.v1", OrderPaid))
stream = JetStream("nats://127.0.0.1:4222", codec, stream="SHOP")
number = 1
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("own_shop")]:
        del sys.modules[name]


def test_the_commands_print_documents_and_notice_a_change(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "own_shop.py").write_text(MODULE.format(kind="int"))
    (here / "own_shop_changed.py").write_text(MODULE.format(kind="str"))
    assert main(["nats", "schemas", "own_shop:codec"]) == 0
    out, err = capsys.readouterr()
    assert err == "imported\n"
    (here / "wire.json").write_text(out)
    assert main(["nats", "schemas", "own_shop:stream", "--check", "wire.json"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["nats", "schemas", "own_shop_changed:codec", "--check", "wire.json"]) == 1
    out, err = capsys.readouterr()
    assert out == "shop.paid.v1: $.$defs.OrderPaid.properties.order.type was 'integer' and is 'string'\n"
    assert err.startswith("imported\npython -m pyventus_typed nats schemas: The wire has changed. ")
    page = (ROOT / "docs" / "how-to" / "go-beyond-one-process.md").read_text(encoding="utf-8")
    assert err.splitlines()[-1] in page.splitlines()
    assert out.replace("shop.paid.v1", "shop.order_paid.v2").replace(".order.", ".cents.") in page
    assert main(["nats", "asyncapi", "own_shop:stream", "--version", "3.0.0"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["asyncapi"], document["info"]["version"]) == ("3.0.0", "3.0.0")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("asyncapi", "own_shop"), "own_shop: write MODULE:NAME, such as shop.events:codec."),
        (("asyncapi", "own_shop:codec"), "own_shop:codec: this is a codec, and a document is about a stream."),
        (
            ("schemas", "own_shop:number"),
            "own_shop:number: this is neither a JsonCodec nor a JetStream with one, but an int.",
        ),
        (("schemas", "own_shop:nothing"), "own_shop:nothing: the module has no 'nothing'."),
        (
            ("schemas", "no_such_shop:codec"),
            "no_such_shop:codec: there is no module 'no_such_shop'; it was looked for in ",
        ),
        (("schemas", "own_shop:codec", "--check", "none.json"), "none.json cannot be read: .*No such file"),
    ],
)
def test_what_names_nothing_is_one_line_and_no_change_of_the_wire(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], complaint: str
) -> None:
    (here / "own_shop.py").write_text(MODULE.format(kind="int").replace('print("imported")', ""))
    assert main(["nats", *arguments]) == 2  # 1 says that the wire has changed
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(rf"python -m pyventus_typed nats {arguments[0]}: {complaint}.*\n", err)
