"""The shops of this folder are packages of their own, imported as a user's are."""

from collections.abc import Iterator
from pathlib import Path

import pytest

SHOPS = Path(__file__).parent / "shops"


@pytest.fixture(scope="session", autouse=True)
def shops() -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SHOPS))
        yield SHOPS
