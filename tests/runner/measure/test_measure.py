"""The stopping rules, with a clock that the test turns."""

import math
import random
from dataclasses import replace

import pytest

from runner.measure import in_flight, stopping, trend
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


class Decay(Clock):
    """A clock that infer() moves by what the moment asks for."""

    def infer(self):
        self.now += self.durations(self.now)

    def __init__(self, of_moment):
        self.now, self.durations = 0.0, of_moment


def series(function, count=20000):
    return (function(index) for index in range(count))


def warm_up(durations, **protocol):
    clock = Clock(durations)
    return stopping.warm_up(clock.infer, replace(PROTOCOL, **protocol), clock)


def sample(durations, **protocol):
    clock = Clock(durations)
    return stopping.sample(clock.infer, replace(PROTOCOL, **protocol), clock)


def test_warm_up_of_an_even_series_ends_with_its_first_two_windows():
    result = warm_up(series(lambda index: 1.0))
    assert result.verdict == "steady" and len(result.seconds) == 2 * stopping.WINDOW_CALLS
    assert len(warm_up(series(lambda index: 0.001)).seconds) in (500, 501)  # two windows of a quarter of a second


def test_warm_up_outlasts_slow_first_iterations():
    result = warm_up(series(lambda index: 5.0 - 0.5 * index if index < 8 else 1.0))
    assert result.verdict == "steady" and len(result.seconds) > 8 + 3


def test_warm_up_lasts_at_least_its_shortest_time_however_even_it_is():
    assert len(warm_up(series(lambda index: 0.01), warmup_min_s=0.7).seconds) in (70, 71)


def test_warm_up_that_keeps_getting_faster_is_capped_and_says_so():
    result = warm_up(series(lambda index: 0.97**index), warmup_max_s=20.0)
    assert result.verdict == "capped"


def test_too_few_calls_to_tell_are_not_called_unsteady():
    assert warm_up(series(lambda index: 0.3), warmup_max_s=0.8).verdict == "few"
    assert warm_up(series(lambda index: 0.1), warmup_max_s=0.8).verdict == "steady"


@pytest.mark.parametrize("noise, most", [(0.005, 0.03), (0.03, 0.12)])
def test_a_latency_that_decays_for_seconds_is_not_steady_at_once(noise, most):
    """From 1.3 times its end with a time constant of 1 s: windows of 50 calls took it for steady after 0.14 s, 26 % too slow."""
    rng = random.Random(6)
    for _ in range(10):
        clock = Decay(lambda at_s: 0.005 * (1 + 0.3 * math.exp(-at_s)) * math.exp(noise * rng.gauss(0, 1)))
        assert stopping.warm_up(clock.infer, PROTOCOL, clock).verdict == "steady"
        assert 0.3 * math.exp(-clock.now) < most


def test_a_slow_creep_within_two_per_cent_is_not_settled():
    creep = [1.0 + 0.0004 * index for index in range(40)]
    assert trend.trend(creep).is_sure and not stopping.is_settled(creep, 20.0)
    assert stopping.is_settled([1.0] * 40, 20.0) and not stopping.is_settled([1.0] * 40, 21.0)


def autocorrelated(rng, count, rho, sd=0.03):
    """Times around 1 whose neighbours correlate by rho."""
    state, times = rng.gauss(0, 1), []
    for _ in range(count):
        times.append(math.exp(sd * state))
        state = rho * state + math.sqrt(1 - rho * rho) * rng.gauss(0, 1)
    return times


@pytest.mark.parametrize("rho", [0.0, 0.36])
@pytest.mark.parametrize("count", [10, 100, 500])
def test_noise_without_a_trend_seldom_shows_one(rho, count):
    rng = random.Random(1)
    assert sum(trend.trend(autocorrelated(rng, count, rho)).is_sure for _ in range(200)) <= 26  # 10 are expected


def test_a_trend_is_found_over_all_samples_however_many_and_noisy():
    rng = random.Random(7)
    for count in (10, 100, 2000):
        found = [trend.trend([v * (1 + 0.1 * at / count) for at, v in enumerate(autocorrelated(rng, count, 0.3, 0.01))]) for _ in range(20)]
        assert sum(one.is_sure and 0.07 < one.change < 0.13 for one in found) >= 18
    assert trend.trend([1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4]) is None  # too few to tell


@pytest.mark.parametrize("rho, count, worth", [(0.0, 500, 500), (0.5, 500, 190), (0.9, 2000, 130), (0.98, 2000, 30)])
def test_samples_count_for_what_they_are_worth(rho, count, worth):
    """Coverage of the median's 95 % interval: without regard to autocorrelation 80, 32 and 12 % at 0.5, 0.9 and 0.98."""
    rng, covered, found = random.Random(8), 0, []
    for _ in range(100):
        times = autocorrelated(rng, count, rho)
        found.append(trend.effective(times))
        half = stopping.interval_width(sorted(times), found[-1]) / 2
        covered += abs(sorted(times)[count // 2] - 1) <= 1.2 * half
    assert covered >= 90
    assert 0.6 * worth <= sorted(found)[50] <= 1.5 * worth


def test_samples_that_are_all_alike_are_worth_their_number():
    assert trend.effective([1.0] * 50) == 50 and trend.effective([1.0, 2.0]) == 2


def test_sampling_takes_at_least_min_samples_however_even_they_are():
    result = sample(series(lambda index: 1.0))
    assert result.verdict == "interval" and len(result.seconds) == 10


def test_sampling_goes_on_until_the_interval_of_the_median_is_within_one_per_cent():
    rng = random.Random(2)
    result = sample(rng.gauss(1.0, 0.03) for _ in range(10**6))
    ordered = sorted(result.seconds)
    assert result.verdict == "interval" and 40 < len(ordered) < 1000
    assert stopping.interval_width(ordered, trend.effective(result.seconds)) <= 0.02 * ordered[len(ordered) // 2]


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


class Lanes:
    """A backend with several lanes, each of which takes one batch after the other; every batch takes its time."""

    def __init__(self, in_flight, batch_s=1.0, tells=True):
        self.in_flight, self.batch_s, self.tells, self.now, self.calls = in_flight, batch_s, tells, 0.0, []

    def infer_many(self, count, done=None):
        self.calls.append(count)
        free, ended = [self.now] * self.in_flight, []
        for _ in range(count):
            lane = free.index(min(free))
            free[lane] += self.batch_s
            ended.append(free[lane])
        for self.now in sorted(ended):
            if done and self.tells:
                done()

    def clock(self):
        return self.now


@pytest.mark.parametrize("count", [1, 3, 4, 16])
def test_throughput_windows_are_whole_rounds_that_are_not_drained_between(count):
    lanes = Lanes(count, 0.03)
    warmed, flow = in_flight.warm_up(lanes, PROTOCOL, lanes.clock)
    assert set(lanes.calls) == {count} and warmed.seconds[-1] == pytest.approx(0.03 / count)  # warmed up in flight
    samples = stopping.sample(flow.run, PROTOCOL, lanes.clock, flow.take)
    assert flow.window % count == 0 and flow.window * 0.03 / count >= in_flight.WINDOW_S
    assert len(flow.take()) == in_flight.MOST_WINDOWS and (flow.batches - 2 * count) % flow.window == 0
    assert samples.seconds == pytest.approx([0.03 / count] * len(samples.seconds))  # without what filling and draining cost


def test_staggered_lanes_are_not_told_to_be_slower_than_they_are():
    lanes = Lanes(4, 1.0)
    ended = sorted(1.0 + 0.25 * lane + turn for lane in range(4) for turn in range(6))
    assert in_flight.of_windows(ended, 4, 8) == [0.25, 0.25] and lanes.in_flight == 4


def test_a_backend_that_can_not_tell_when_a_batch_ends_is_timed_by_the_call():
    lanes = Lanes(4, 0.03, tells=False)
    _, flow = in_flight.warm_up(lanes, PROTOCOL, lanes.clock)
    flow.run()
    assert flow.window == flow.batches == 16 and flow.take() == pytest.approx([0.03 / 4])
    assert stopping.sample(flow.run, PROTOCOL, lanes.clock, flow.take).seconds == pytest.approx([0.03 / 4] * 10)


def test_a_slow_network_is_not_kept_longer_than_the_protocol_wants():
    flow = in_flight.Flow(Lanes(2), 0.5, replace(PROTOCOL, max_time_s=1.2), None)
    assert (flow.window, flow.batches) == (2, 6)


def test_a_sustained_run_tells_cold_from_hot():
    clock = Clock(series(lambda index: 0.1 if index < 100 else 0.15))
    result = stopping.sustain(clock.infer, 80.0, clock)
    assert result["window_s"] == 10.0 and len(result["medians_s"]) == 8
    assert result["cold_s"] == pytest.approx(0.1) and result["ratio"] == pytest.approx(1.5)
