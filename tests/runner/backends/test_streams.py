"""Batches on several streams, on imagined streams with a clock of their own: none is drained before the end."""

import contextlib

import pytest
import tiny_network

from runner.backends import _streams, create
from runner.measure import in_flight
from runner.plan.protocol import Protocol


@contextlib.contextmanager
def on(machine, lane):
    """What torch.cuda.stream is: work begins on that stream."""
    machine.start(lane)
    yield


class Machine:
    """Streams that take ``batch_s`` a batch, one after the other on each, and a host that takes ``launch_s`` to start one."""

    def __init__(self, streams, batch_s, launch_s):
        self.now, self.batch_s, self.launch_s, self.in_flight = 0.0, batch_s, launch_s, streams
        self.free, self.idle_s, self.started = [0.0] * streams, 0.0, 0
        self.ends = [End(self) for _ in range(_streams.AHEAD * streams)]

    def start(self, lane):
        self.now += self.launch_s
        self.idle_s += max(0.0, self.now - self.free[lane]) if self.started >= self.in_flight else 0.0
        self.free[lane] = max(self.free[lane], self.now) + self.batch_s
        self.started += 1

    def infer_many(self, count, done=None):
        _streams.flow(count, range(self.in_flight), self.ends, self.start, done)

    def clock(self):
        return self.now


class End:
    def __init__(self, machine):
        self.machine, self.at_s = machine, None

    def record(self, lane):
        self.at_s = self.machine.free[lane]

    def query(self):
        return self.at_s <= self.machine.now

    def synchronize(self):
        self.machine.now = max(self.machine.now, self.at_s)


@pytest.mark.parametrize("count", [1, 3, 8, 21])
@pytest.mark.parametrize("streams", [1, 2, 4])
def test_each_batch_is_told_once_and_all_have_ended_when_the_call_returns(streams, count):
    machine, ended = Machine(streams, 1.0, 0.001), []
    machine.infer_many(count, lambda: ended.append(machine.now))
    assert len(ended) == machine.started == count and ended == sorted(ended) and machine.now == max(machine.free)
    machine.infer_many(count)  # once more, with nobody to tell
    assert machine.started == 2 * count and machine.now == max(machine.free)


def test_no_stream_idles_between_two_batches():
    machine = Machine(4, 1.0, 0.01)
    machine.infer_many(100)
    assert machine.idle_s == 0.0


@pytest.mark.parametrize(("streams", "batch_s", "launch_s"), [(4, 0.04, 0.001), (2, 0.01, 0.0001), (4, 0.001, 0.002), (1, 0.01, 0.0)])
def test_a_window_of_the_flow_is_as_long_as_device_or_host_make_it(streams, batch_s, launch_s):
    machine, slower = Machine(streams, batch_s, launch_s), max(batch_s / streams, launch_s)
    flow = in_flight.Flow(machine, slower, Protocol(), machine.clock)
    flow.run()
    assert len(flow.take()) > 1 and flow.take() == pytest.approx([slower] * len(flow.take()), rel=0.01)


def test_pytorchs_batches_flow_and_its_inputs_travel_through_pinned_memory(tmp_path, monkeypatch):
    import torch

    backend = create("pytorch")(tiny_network.job(tmp_path, scenario="throughput"))
    backend.load()
    x, machine, was_pinned = tiny_network.arrays()["input"], Machine(2, 1.0, 0.01), []
    for name, stand_in in (("synchronize", lambda: None), ("stream", lambda stream: on(machine, stream))):
        monkeypatch.setattr(torch.cuda, name, stand_in)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: was_pinned.append(tensor) or tensor.clone())
    empty = torch.empty
    monkeypatch.setattr(torch, "empty", lambda shape, dtype, pin_memory: was_pinned.append(pin_memory) or empty(shape, dtype=dtype))
    backend._callers.shutdown()
    backend._gpu, backend._callers, backend._streams, backend._ends = True, None, range(2), machine.ends
    backend.stage(0 * x)
    ended = []
    backend.infer_many(5, lambda: ended.append(machine.now))
    assert len(ended) == machine.started == 5
    bring, fetch, host_memory = backend.transfers(x)
    bring()
    fetch()
    assert host_memory == "pinned" and len(was_pinned) == 2 and was_pinned[1] is True
    backend.infer_many(1)
    assert tiny_network.difference(backend.outputs()) < 1e-4
