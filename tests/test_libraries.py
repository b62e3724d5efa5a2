"""Whose code this is: one answer, which goes by where the file lies."""

import asyncio
import contextlib
import unittest.mock
from pathlib import Path
from types import ModuleType

import pytest
import typing_extensions

import pyventus_typed
import pyventus_typed.cli.demo
import pyventus_typed.nats._demo
import pyventus_typed.testing._run
from pyventus_typed._libraries import is_library


@pytest.mark.parametrize(
    "module",
    [asyncio, contextlib, unittest.mock, pytest, typing_extensions, pyventus_typed, pyventus_typed.testing._run],
)
def test_what_comes_with_python_from_an_index_or_from_us_is_not_the_users(module: ModuleType) -> None:
    assert module.__file__ is not None
    assert is_library(module.__file__)


@pytest.mark.parametrize("module", [pyventus_typed.cli.demo, pyventus_typed.nats._demo])
def test_what_we_ship_to_be_read_is_the_users(module: ModuleType) -> None:
    assert module.__file__ is not None
    assert not is_library(module.__file__)


def test_the_tests_of_a_library_are_the_users_and_what_was_typed_in_is_too(tmp_path: Path) -> None:
    assert not is_library(__file__)
    assert not is_library(str(tmp_path / "shop.py"))
    assert not is_library("<stdin>")


def test_the_interpreter_itself_and_the_packages_of_another_one_are_libraries(tmp_path: Path) -> None:
    assert is_library("<frozen importlib._bootstrap>")
    assert is_library(str(tmp_path / "site-packages" / "shop.py"))
