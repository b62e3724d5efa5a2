"""The shops of this folder are packages of their own, imported as a user's are."""

import sys
from pathlib import Path

import pytest

SHOPS = Path(__file__).parent / "shops"
sys.path.append(str(SHOPS))


@pytest.fixture
def shops() -> Path:
    return SHOPS
