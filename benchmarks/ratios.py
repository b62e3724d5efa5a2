"""What the rounds say: ratios taken within a round, and whether wall time and processor time tell the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from .measuring import Rounds


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times as long as the baseline a contender takes."""

    median: float
    low: float
    """A quarter of the rounds is below."""
    high: float
    """A quarter of the rounds is above."""
    cpu: float
    """The least processor time of all rounds over the baseline's least: another way to the same number."""

    @property
    def agrees(self) -> bool:
        """Whether both ways lead to the same number. If not, measure again before believing either."""
        return abs(self.median / self.cpu - 1) <= 0.1


def paired(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float, float]:
    """Lower quartile, median and upper quartile of the ratios of two series of the same rounds."""
    ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
    if len(ratios) == 1:
        return ratios[0], ratios[0], ratios[0]
    low, middle, high = quantiles(ratios, n=4, method="inclusive")
    return low, middle, high


def ratio(rounds: Rounds, contender: str, baseline: str, *, by_cpu: bool = False) -> Ratio:
    """*contender* against *baseline*, over the rounds that have both: by wall time, or *by_cpu*, by processor time."""
    both = [timings for timings in rounds if contender in timings and baseline in timings]
    ours, theirs = ([one[name].cpu if by_cpu else one[name].wall for one in both] for name in (contender, baseline))
    low, middle, high = paired(ours, theirs)
    cpu = min(one[contender].cpu for one in both) / min(one[baseline].cpu for one in both)
    return Ratio(middle, low, high, cpu)


def added(rounds: Rounds, contender: str, baseline: str) -> tuple[float, float]:
    """How many seconds *contender* takes longer than the same "without", and how many times as much that is as it is for
    *baseline*: the median over the rounds.
    """
    seconds: list[float] = []
    times: list[float] = []
    for timings in rounds:
        if {contender, f"{contender} without", baseline} <= timings.keys():
            without = timings.get(f"{baseline} without")
            ours = timings[contender].wall - timings[f"{contender} without"].wall
            theirs = timings[baseline].wall - (0 if without is None else without.wall)
            seconds.append(ours)
            times.append(ours / theirs)
    return median(seconds), median(times)


def typical(rounds: Rounds, contender: str) -> float:
    """Median seconds of one unit of work. It depends on who else used the machine: only ratios mean something."""
    return median(timings[contender].wall for timings in rounds if contender in timings)
