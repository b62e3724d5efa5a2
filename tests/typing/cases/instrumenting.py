"""What can be instrumented: linkers and emitters of whatever events."""

from typing import assert_type

from shop import OrderPaid, OrderPlaced, ShopEvent

from pyventus_typed import Emitter, Linker
from pyventus_typed.opentelemetry import Instrumentation, instrument

linker = Linker[ShopEvent]()
emitter = Emitter(linker)
narrow = Linker[OrderPaid | OrderPlaced]()


# -- right
assert_type(instrument(linker, emitter), Instrumentation)
instrument()
instrument(linker)
instrument(emitter, narrow, Emitter(narrow), attributes={"shop.queue": "mails", "shop.number": 1, "shop.fast": True})
with instrument(linker, tracer_provider=None, meter_provider=None) as instrumentation:
    assert_type(instrumentation, Instrumentation)
    instrumentation.uninstrument()

# -- wrong
instrument(Linker)  # E: a class
instrument([linker])  # E: a list of them
instrument(OrderPaid)  # E: an event
instrument(linker, attributes={"shop.queues": ["mails"]})  # E: a list cannot be exported
instrument(linker, tracer_provider=print)  # E: no provider
