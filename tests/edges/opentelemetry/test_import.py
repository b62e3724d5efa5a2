"""Off: nothing is imported. And what it says where OpenTelemetry is missing."""

from pyventus_typed._install import install_command
from tests.programs import run_python


def test_neither_the_package_nor_nats_imports_opentelemetry() -> None:
    program = (
        "import sys, pyventus_typed, pyventus_typed.nats, pyventus_typed.nats.postgresql\n"
        "from pyventus_typed.nats._tracing import find_tracing, trace_headers\n"
        "assert find_tracing() is None and trace_headers() == {}\n"
        "print([name for name in sys.modules if 'opentelemetry' in name])"
    )
    ended = run_python("-c", program)
    assert (ended.stdout, ended.stderr) == ("[]\n", "")


def test_opentelemetry_does_not_import_nats() -> None:
    program = (
        "import sys, pyventus_typed.opentelemetry; print({'nats', 'msgspec', 'pyventus_typed.nats'} & set(sys.modules))"
    )
    ended = run_python("-c", program)
    assert (ended.stdout, ended.stderr) == ("set()\n", "")


def test_it_stands_on_the_api_alone() -> None:
    program = (
        "import sys\n"
        "for name in ('opentelemetry.sdk', 'opentelemetry.semconv'):\n"
        "    sys.modules[name] = None\n"
        "import pyventus_typed.opentelemetry as ours\n"
        "from pyventus_typed import Emitter, Event, Linker\n"
        "linker = Linker[Event]()\n"
        "with ours.instrument(linker, Emitter(linker)):\n"
        "    print('works')"
    )
    ended = run_python("-c", program)
    assert (ended.stdout, ended.stderr) == ("works\n", "")


def test_providers_may_be_set_globally_after_it_began_and_be_passed_too() -> None:
    program = """
from dataclasses import dataclass
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pyventus_typed import Emitter, Event, Linker
from pyventus_typed.opentelemetry import instrument

@dataclass(frozen=True)
class Placed(Event):
    pass

linkers = Linker[Event](), Linker[Event]()
emitters = [Emitter(linker) for linker in linkers]
for linker in linkers:
    linker.subscribe(Placed, lambda event: None)
instrument(emitters[0])
reader, exporter = InMemoryMetricReader(), InMemorySpanExporter()
trace.set_tracer_provider(TracerProvider())
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(exporter))
metrics.set_meter_provider(MeterProvider([reader]))
instrument(emitters[1], meter_provider=metrics.get_meter_provider(), tracer_provider=trace.get_tracer_provider())
for emitter in emitters:
    emitter.emit(Placed())
print(len(exporter.get_finished_spans()))
for metric in reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics:
    print(metric.name, sum(getattr(point, "count", 0) or getattr(point, "value", 0) for point in metric.data.data_points))
"""
    ended = run_python("-c", program)
    assert ended.stderr == ""
    assert sorted(ended.stdout.splitlines()) == [
        "2",
        "messaging.process.duration 2",
        "pyventus_typed.deliveries.wait_time 2",
        "pyventus_typed.emissions.pending 0",
        "pyventus_typed.emissions.rejected 0",
        "pyventus_typed.emissions.settled 2",
    ]


def test_where_the_extra_is_missing_the_command_is_named_that_installs_it() -> None:
    program = (
        "import sys\n"
        "class Missing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] == 'opentelemetry':\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Missing())\n"
        "import pyventus_typed.opentelemetry"
    )
    ended = run_python("-c", program)
    said = "opentelemetry is needed for pyventus_typed.opentelemetry and not installed. Run: "
    assert ended.stderr.strip().splitlines()[-1] == (f"ModuleNotFoundError: {said}{install_command('opentelemetry')}")
