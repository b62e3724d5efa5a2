"""What a row says, as text; and which Python said it."""

import platform
import sys
import sysconfig
from collections.abc import Iterator

from .contenders import HAND, US
from .measuring import Rounds
from .ratios import added, ratio, typical
from .rows import Row
from .workloads import Batch, BatchInLoop


def build() -> str:
    """The interpreter, and whether its build was optimised: that changes ratios, too."""
    options = sysconfig.get_config_var("CONFIG_ARGS") or ""
    kind = "PGO" if "--enable-optimizations" in options else "no PGO"
    lto = "LTO" if "--with-lto" in options else "no LTO"
    return f"Python {platform.python_version()} ({kind}, {lto}, {platform.python_compiler()}) on {sys.platform} {platform.machine()}"


def lines(row: Row[Batch] | Row[BatchInLoop], rounds: Rounds) -> Iterator[str]:
    """The row's contenders in the order of their times."""
    goal = "" if row.goal is None else f", goal {row.goal}"
    yield f"{row.name}: {row.what} (x {row.baseline}{goal})"
    names = {name for timings in rounds for name in timings}
    ratios = {name: ratio(rounds, name, row.baseline, by_cpu=row.by_cpu) for name in names}
    for name in sorted(names, key=lambda name: ratios[name].median):
        one = ratios[name]
        spread = f"{number(one.low)} - {number(one.high)}"
        doubt = " " if one.agrees else "?"
        yield (
            f"  {name:<12}{number(one.median):>9}   {spread:>19}   cpu {number(one.cpu):>8} {doubt}"
            f"{seconds(typical(rounds, name)):>10}"
        )
    if row.added is not None and {US, f"{US} without"} <= names:
        more, times = added(rounds, US, row.baseline)
        yield f"  us adds {seconds(more)}, {number(times)} x what {row.baseline} adds, goal {row.added}"
    if {HAND, US} <= names:
        yield f"  us is {number(ratio(rounds, US, HAND).median)} x hand"


def number(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def seconds(value: float) -> str:
    """With a unit that fits."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value * 1e9:.3g} ns"
