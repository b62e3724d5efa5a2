from collections.abc import Iterator

import pytest

from pyventus_typed.opentelemetry._instrument import carrier
from tests.edges.opentelemetry.sdk import Sdk


@pytest.fixture
def sdk() -> Iterator[Sdk]:
    yield Sdk()
    assert carrier() is None, "the next test would find something instrumented"
