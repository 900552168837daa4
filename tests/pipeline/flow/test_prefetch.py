"""Every path through the two threads, by events and counts, without waiting on a clock."""

import threading
import time
from collections.abc import Iterator

import pytest

from pipeline.flow.prefetch import WriteBehind, prefetch, side_by_side


def prefetch_threads() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name in {"prefetch", "write-behind"}]


class Source:
    """Counts up, remembers in which thread it was closed, fails where told."""

    def __init__(self, count: int, fail_at: int | None = None) -> None:
        self.count, self.fail_at = count, fail_at
        self.produced = 0
        self.closed_in: str | None = None

    def __iter__(self) -> Iterator[int]:
        try:
            for number in range(self.count):
                if number == self.fail_at:
                    raise OSError(f"disk gone at {number}")
                self.produced += 1
                yield number
        finally:
            self.closed_in = threading.current_thread().name


@pytest.mark.parametrize("count", [0, 1, 50])
@pytest.mark.parametrize("size", [1, 3, 100])
def test_all_items_come_in_order_and_the_thread_ends(count: int, size: int) -> None:
    source = Source(count)
    assert list(prefetch(source, size)) == list(range(count))
    assert source.closed_in == "prefetch"
    assert prefetch_threads() == []


def test_error_of_the_source_comes_after_the_items_before_it() -> None:
    seen = []
    with pytest.raises(OSError, match="disk gone at 4"):
        for item in prefetch(Source(10, fail_at=4), 2):
            seen.append(item)
    assert seen == [0, 1, 2, 3]
    assert prefetch_threads() == []


def test_consumer_that_stops_early_closes_the_source_and_joins() -> None:
    source = Source(1000)
    items = prefetch(source, 2)
    assert [next(items), next(items)] == [0, 1]
    items.close()
    assert source.closed_in == "prefetch"
    assert prefetch_threads() == []


def test_consumer_that_raises_closes_the_source_and_joins() -> None:
    source = Source(1000)
    items = prefetch(source, 2)
    next(items)
    with pytest.raises(KeyError):
        items.throw(KeyError("consumer"))
    assert source.closed_in == "prefetch"
    assert prefetch_threads() == []


def test_generator_that_is_never_started_starts_no_thread() -> None:
    source = Source(5)
    items = prefetch(source, 2)
    assert prefetch_threads() == []
    items.close()
    assert source.produced == 0


def test_no_more_than_size_items_wait() -> None:
    size = 3
    blocked = threading.Event()

    def counted() -> Iterator[int]:
        for number in range(100):
            if number == size + 1:  # one taken, `size` waiting: the put of this one blocks, the next is not produced
                blocked.set()
            produced.append(number)
            yield number

    produced: list[int] = []
    items = prefetch(counted(), size)
    next(items)
    assert blocked.wait(10)
    assert len(produced) <= size + 2
    items.close()
    assert len(produced) <= size + 2


def test_side_by_side_there_are_two_items_the_one_in_use_and_the_next() -> None:
    source, begun = Source(20), list[str]()
    with side_by_side(source, lambda: begun.append(threading.current_thread().name)) as items:
        for number, item in enumerate(items):
            assert item == number and source.produced <= number + 2
    assert (source.produced, begun, source.closed_in, prefetch_threads()) == (20, ["prefetch"], "prefetch", [])


def test_side_by_side_the_first_item_is_begun_before_it_is_asked_for() -> None:
    begun = threading.Event()

    def counted() -> Iterator[int]:
        begun.set()
        yield 0

    with side_by_side(counted(), lambda: None) as items:
        assert begun.wait(10)
        assert list(items) == [0]


def test_side_by_side_an_error_comes_after_the_items_before_it_and_a_stop_joins() -> None:
    seen = []
    with pytest.raises(OSError, match="disk gone at 2"), side_by_side(Source(10, fail_at=2), lambda: None) as items:
        for item in items:
            seen.append(item)
    assert seen == [0, 1]
    source = Source(1000)
    with side_by_side(source, lambda: None) as items:
        next(items)
    assert source.closed_in == "prefetch" and prefetch_threads() == []


def test_source_that_cannot_be_iterated_raises_in_the_consumer() -> None:
    with pytest.raises(TypeError):
        list(prefetch(5, 2))  # type: ignore[arg-type]
    assert prefetch_threads() == []


def test_error_while_the_source_closes_is_not_lost() -> None:
    def source() -> Iterator[int]:
        try:
            yield 1
        finally:
            raise OSError("close failed")

    with pytest.raises(OSError, match="close failed"):
        list(prefetch(source(), 2))


def test_size_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="size is 0"):
        next(prefetch([1], 0))


def test_written_items_keep_their_order_and_the_thread_ends() -> None:
    written: list[int] = []
    with WriteBehind(written.append, 2) as sink:
        for number in range(50):
            sink.put(number)
    assert written == list(range(50))
    assert prefetch_threads() == []


def test_error_of_the_writer_stops_the_producer() -> None:
    def write(number: int) -> None:
        if number == 3:
            raise OSError("disk full")

    produced = 0
    with pytest.raises(OSError, match="disk full"), WriteBehind(write, 1) as sink:
        for number in range(1000):
            sink.put(number)
            produced += 1
    assert produced < 10
    assert prefetch_threads() == []


def test_error_at_the_last_item_comes_out_of_close() -> None:
    def write(number: int) -> None:
        raise OSError("disk full")

    sink = WriteBehind(write, 10)
    sink.put(1)
    with pytest.raises(OSError, match="disk full"):
        sink.close()
    assert prefetch_threads() == []


def test_producer_that_raises_drops_what_waits_and_joins() -> None:
    entered = threading.Event()
    written: list[int] = []

    def write(number: int) -> None:
        entered.set()
        with sink._channel.changed:  # hold the first item until the block has been left
            assert sink._channel.changed.wait_for(lambda: sink._channel.is_abandoned, 10)
        written.append(number)

    with pytest.raises(KeyError), WriteBehind(write, 5) as sink:
        for number in range(3):
            sink.put(number)
        assert entered.wait(10)
        raise KeyError("producer")
    assert written == [0]
    assert prefetch_threads() == []


def test_put_after_close_is_refused() -> None:
    sink: WriteBehind[int] = WriteBehind(lambda item: None, 1)
    sink.close()
    with pytest.raises(RuntimeError, match="closed"):
        sink.put(1)


@pytest.mark.parametrize("is_failing", [True, False])
def test_a_signal_while_the_thread_is_waited_for_does_not_leave_it_running(is_failing: bool) -> None:
    written: list[int] = []

    def write(number: int) -> None:
        time.sleep(0.05)
        written.append(number)

    def leave(sink: WriteBehind[int]) -> None:
        with sink:
            sink.put(1)
            if is_failing:
                raise KeyError("producer")

    sink: WriteBehind[int] = WriteBehind(write, 2)
    join, asked = sink._thread.join, []

    def interrupted() -> None:
        asked.append(1)
        if len(asked) == 1:
            raise KeyboardInterrupt
        join()

    sink._thread.join = interrupted  # type: ignore[method-assign, assignment]
    with pytest.raises(KeyboardInterrupt):
        leave(sink)
    assert prefetch_threads() == []
