"""Batches on several CUDA streams, whose memory and events are torch's: kept flowing, and told when each has ended."""

from typing import Any, Callable, Optional, Sequence, Tuple

AHEAD = 2  # batches queued on each stream: one runs and one waits, so that no stream idles between two


def flow(count: int, streams: Sequence[Any], ends: Sequence[Any], start: Callable[[int], Any], done: Optional[Callable[[], None]]) -> None:
    """Run ``count`` batches on the streams in turn, and return when all have ended; the streams are never drained before that.

    ``start(n)`` starts one batch on stream n. ``ends`` are AHEAD events for each stream. ``done()`` is called as each batch has ended, in the
    order of starting.
    """

    ended = 0
    for index in range(count):
        while ended < index and (index - ended == len(ends) or ends[ended % len(ends)].query()):
            ended = _wait_for(ended, ends, done)
        lane = index % len(streams)
        start(lane)
        ends[index % len(ends)].record(streams[lane])
    while ended < count:
        ended = _wait_for(ended, ends, done)


def _wait_for(index: int, ends: Sequence[Any], done: Optional[Callable[[], None]]) -> int:
    ends[index % len(ends)].synchronize()
    if done:
        done()
    return index + 1


def pinned(torch: Any, host: Any, bring: Callable[[Any], Any], output: Any) -> Tuple[Callable[[], None], Callable[[], None]]:
    """(bring, fetch): an input tensor to the device by ``bring(host)``, and ``output`` back, through pinned host memory; each waits for its end."""
    source, target = host.pin_memory(), torch.empty(output.shape, dtype=output.dtype, pin_memory=True)

    def to_device() -> None:
        bring(source)
        torch.cuda.synchronize()

    def to_host() -> None:
        target.copy_(output, non_blocking=True)
        torch.cuda.synchronize()

    return to_device, to_host
