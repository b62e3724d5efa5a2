"""What a row says at its end: how far we are from what can be had on this machine."""

from benchmarks.measuring import Rounds, Timing
from benchmarks.report import lines
from benchmarks.rows import ROWS


def rounds_of(**seconds: float) -> Rounds:
    return [{name: Timing(one, one) for name, one in seconds.items()}] * 3


def test_the_goal_is_carried_over_to_what_is_reached_by_hand_here() -> None:
    *_, last = lines(ROWS["sync-1"], rounds_of(limit=1e-7, hand=6e-7, us=9e-7))
    assert last == "  us is 1.50 x hand (goal 1.25: 4.5 x limit, where hand took 3.6)"


def test_without_a_figure_by_hand_from_there_only_the_ratio_is_said() -> None:
    *_, last = lines(ROWS["publish-1"], rounds_of(limit=1e-7, hand=5e-7, us=6e-7))
    assert last == "  us is 1.20 x hand"


def test_a_row_without_us_or_without_a_goal_ends_with_its_contenders() -> None:
    *_, last = lines(ROWS["sync-1"], rounds_of(limit=1e-7, hand=6e-7))
    assert last.startswith("  hand")
    *_, last = lines(ROWS["churn"], rounds_of(limit=1e-7, us=6e-7))
    assert last.startswith("  us ")
