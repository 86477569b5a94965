"""The stopping rules, with a clock that the test turns."""

import random
from dataclasses import replace

import pytest

from runner.measure import stopping
from runner.plan.protocol import Protocol

PROTOCOL = Protocol(
    warmup_min_s=0.0, warmup_max_s=100.0, min_samples=10, max_samples=10000, min_time_s=0.0, max_time_s=1000.0, interval=0.01
)


class Clock:
    """A clock that only infer() moves, by the next of a series of durations."""

    def __init__(self, durations):
        self.now, self.durations = 0.0, iter(durations)

    def __call__(self):
        return self.now

    def infer(self):
        self.now += next(self.durations)


def series(function, count=20000):
    return (function(index) for index in range(count))


def warm_up(durations, **protocol):
    clock = Clock(durations)
    return stopping.warm_up(clock.infer, replace(PROTOCOL, **protocol), clock)


def sample(durations, **protocol):
    clock = Clock(durations)
    return stopping.sample(clock.infer, replace(PROTOCOL, **protocol), clock)


def test_warm_up_of_an_even_series_ends_with_its_first_two_half_windows():
    result = warm_up(series(lambda index: 1.0))
    assert result.verdict == "steady" and len(result.seconds) == 6


def test_warm_up_outlasts_slow_first_iterations():
    result = warm_up(series(lambda index: 5.0 - 0.5 * index if index < 8 else 1.0))
    assert result.verdict == "steady" and len(result.seconds) > 8 + 3


def test_warm_up_lasts_at_least_its_shortest_time_however_even_it_is():
    assert len(warm_up(series(lambda index: 0.01), warmup_min_s=0.5).seconds) in (50, 51)


def test_warm_up_that_keeps_getting_faster_is_capped_and_says_so():
    result = warm_up(series(lambda index: 0.97**index), warmup_max_s=20.0)
    assert result.verdict == "capped"


def test_a_slow_creep_within_two_per_cent_is_not_steady():
    creep = [1.0 + 0.0004 * index for index in range(40)]
    assert stopping.has_slope(creep) and not stopping.is_steady(creep)


def test_noise_without_a_trend_has_no_slope_in_about_95_of_100_series():
    rng = random.Random(1)
    found = sum(stopping.has_slope([rng.gauss(1, 0.01) for _ in range(20)]) for _ in range(400))
    assert 4 <= found <= 36


def test_sampling_takes_at_least_min_samples_however_even_they_are():
    result = sample(series(lambda index: 1.0))
    assert result.verdict == "interval" and len(result.seconds) == 10


def test_sampling_goes_on_until_the_interval_of_the_median_is_within_one_per_cent():
    rng = random.Random(2)
    result = sample(rng.gauss(1.0, 0.05) for _ in range(10**6))
    ordered = sorted(result.seconds)
    assert result.verdict == "interval" and 60 < len(ordered) < 1000
    assert stopping.interval_width(ordered) <= 0.02 * ordered[len(ordered) // 2]


def test_sampling_ends_when_the_noise_has_levelled_off():
    rng = random.Random(3)
    result = sample(rng.uniform(0.5, 1.5) for _ in range(10**6))
    assert result.verdict == "noise" and len(result.seconds) >= stopping.LEVEL_SAMPLES


def test_sampling_ends_when_the_budget_is_spent_but_not_before_min_samples():
    rng = random.Random(4)
    result = sample((rng.uniform(0.5, 1.5) for _ in range(10**6)), max_time_s=3.0)
    assert result.verdict == "budget" and len(result.seconds) == 10


def test_sampling_lasts_at_least_min_time():
    result = sample(series(lambda index: 0.01), min_time_s=1.0)
    assert 99 <= len(result.seconds) <= 111


def test_sampling_ends_at_max_samples():
    rng = random.Random(5)
    result = sample((rng.choice((0.5, 1.0, 2.0)) for _ in range(10**6)), max_samples=50)
    assert result.verdict == "count" and len(result.seconds) == 50


@pytest.mark.parametrize("n", [10, 25, 70, 71, 200])
def test_the_interval_of_the_median_covers_it_in_95_of_100_series(n):
    rng = random.Random(n)
    low = stopping.interval_rank(n)
    covered = 0
    for _ in range(2000):
        ordered = sorted(rng.random() for _ in range(n))
        covered += ordered[low] <= 0.5 <= ordered[n - 1 - low]
    assert 0.94 <= covered / 2000.0 <= 0.995


def test_the_interval_is_no_wider_than_it_must_be():
    assert [stopping.interval_rank(n) for n in (6, 9, 10, 25)] == [0, 1, 1, 7]


def test_noise_is_the_interquartile_range_over_the_median():
    assert stopping.noise([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]) == pytest.approx((7.0 - 3.0) / 5.0)


def test_a_throughput_window_fills_the_pipeline_several_times():
    assert stopping.window_batches(1.0, 4) == 16
    assert stopping.window_batches(0.001, 4) == 100


def test_a_sustained_run_tells_cold_from_hot():
    clock = Clock(series(lambda index: 0.1 if index < 100 else 0.15))
    result = stopping.sustain(clock.infer, 80.0, clock)
    assert result["window_s"] == 10.0 and len(result["medians_s"]) == 8
    assert result["cold_s"] == pytest.approx(0.1) and result["ratio"] == pytest.approx(1.5)
