"""What `import pyventus_typed` loads: each program that uses it pays for that when it starts."""

from tests.programs import run_python

PROGRAM = """
import sys
import asyncio, dataclasses, typing_extensions

before = set(sys.modules)
import pyventus_typed

print(sorted(name for name in set(sys.modules) - before if name.partition(".")[0] != "pyventus_typed"))
"""


def test_importing_it_loads_nothing_but_its_own_modules() -> None:
    ended = run_python("-c", PROGRAM)
    assert (ended.stdout, ended.stderr) == ("[]\n", "")
