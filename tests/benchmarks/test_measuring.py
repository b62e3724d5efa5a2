"""The benchmarks' own arithmetic, with times that are made up."""

import pytest

from benchmarks.measuring import LONG, Pace, Rounds, Timing, plan
from benchmarks.ratios import paired, ratio


def rounds_of(*walls: tuple[float, float]) -> Rounds:
    return [{"us": Timing(us, us), "limit": Timing(limit, limit)} for us, limit in walls]


def drive(seconds: dict[str, float], pace: Pace, burst: int | None = None) -> tuple[Rounds, list[tuple[str, int]]]:
    """Run a plan with contenders that take exactly so many seconds for each unit."""
    steps = plan(list(seconds), pace, seed=1, burst=burst)
    ran = [next(steps)]
    while True:
        name, n = ran[-1]
        try:
            ran.append(steps.send(Timing(n * seconds[name], n * seconds[name])))
        except StopIteration as end:
            return end.value, ran


def test_a_machine_that_slows_both_down_does_not_change_the_ratio() -> None:
    assert paired([3.0, 30.0, 6.0], [1.0, 10.0, 2.0]) == (3.0, 3.0, 3.0)


def test_the_median_of_the_pairs_ignores_a_round_that_hit_one_contender() -> None:
    found = ratio(rounds_of((2.0, 1.0), (2.0, 1.0), (2.0, 1.0), (90.0, 1.0), (2.0, 1.0)), "us", "limit")
    assert (found.median, found.cpu) == (2.0, 2.0)


def test_a_ratio_is_doubted_when_processor_time_tells_another_story() -> None:
    calm = [{"us": Timing(2.0, 2.0), "limit": Timing(1.0, 1.0)}] * 3
    disturbed = [{"us": Timing(2.0, 3.0), "limit": Timing(1.0, 1.0)}] * 3
    assert ratio(calm, "us", "limit").agrees
    assert not ratio(disturbed, "us", "limit").agrees


def test_rounds_without_the_contender_are_left_out() -> None:
    rounds = [*rounds_of((4.0, 2.0)), {"limit": Timing(9.0, 9.0)}]
    assert ratio(rounds, "us", "limit").median == 2.0


def test_a_plan_times_every_contender_in_every_round() -> None:
    rounds, _ = drive({"us": 4e-7, "limit": 1e-7}, Pace(rounds=41))
    assert len(rounds) == 41
    assert all(timings.keys() == {"us", "limit"} for timings in rounds)
    assert ratio(rounds, "us", "limit").median == pytest.approx(4.0)


def test_a_batch_takes_about_a_millisecond() -> None:
    _, ran = drive({"us": 4e-7, "limit": 1e-7}, Pace(rounds=5))
    seconds = {"us": 4e-7, "limit": 1e-7}
    assert {round(n * seconds[name], 6) for name, n in ran[-10:]} == {0.001}


def test_the_order_of_contenders_is_another_one_in_most_rounds() -> None:
    _, ran = drive(dict.fromkeys("abcd", 1e-6), Pace(rounds=20))
    orders = {tuple(name for name, _ in ran[at : at + 4]) for at in range(len(ran) - 80, len(ran), 4)}
    assert len(orders) > 10


def test_a_slow_contender_is_measured_in_fewer_rounds() -> None:
    rounds, _ = drive({"slow": 2.5 * LONG, "limit": 1e-7}, Pace(rounds=36))
    assert sum("slow" in timings for timings in rounds) == 12


def test_a_burst_is_one_batch_unless_that_would_take_long() -> None:
    _, ran = drive({"slow": 1e-3, "limit": 1e-7}, Pace(rounds=9), burst=10_000)
    assert set(ran[-18:]) == {("limit", 10_000), ("slow", 50)}
