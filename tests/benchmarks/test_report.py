"""What a row says at its end: how far we are from what can be had on this machine."""

from benchmarks.measuring import Rounds, Timing
from benchmarks.report import lines
from benchmarks.rows import ROWS


def rounds_of(**seconds: float) -> Rounds:
    return [{name: Timing(one, one) for name, one in seconds.items()}] * 3


def test_a_row_that_is_also_done_by_hand_ends_with_the_ratio_of_the_two() -> None:
    *_, last = lines(ROWS["publish-1"], rounds_of(limit=1e-7, hand=5e-7, us=6e-7))
    assert last == "  us is 1.20 x hand"


def test_a_row_about_what_something_adds_ends_with_the_difference_that_it_makes() -> None:
    around = {"limit": 3e-6, "limit without": 1e-6, "us": 10e-6, "us without": 5e-6}
    *_, last = lines(ROWS["around"], rounds_of(**around))
    assert last == "  us adds 5 µs, 2.50 x what limit adds, goal 4"
    *_, last = lines(ROWS["stream"], rounds_of(**{"limit": 2e-6, "us": 9e-6, "us without": 6e-6}))
    assert last == "  us adds 3 µs, 1.50 x what limit adds, goal 2"


def test_threads_are_compared_by_processor_time() -> None:
    rounds: Rounds = [{"limit 1": Timing(1e-7, 1e-7), "us 8": Timing(9e-6, 8e-7)}] * 3
    *_, last = lines(ROWS["threads"], rounds)
    assert last.split()[:3] == ["us", "8", "8.00"]


def test_a_row_without_us_or_without_a_goal_ends_with_its_contenders() -> None:
    *_, last = lines(ROWS["sync-1"], rounds_of(limit=1e-7, hand=6e-7))
    assert last.startswith("  hand")
    *_, last = lines(ROWS["churn"], rounds_of(limit=1e-7, us=6e-7))
    assert last.startswith("  us ")
