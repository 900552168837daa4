"""The threads of the line: one that reads ahead, one that computes ahead, one that writes behind."""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, Self, TypeVar

Item = TypeVar("Item")


class _Closed(Exception):
    """The other side is gone."""


class _Channel(Generic[Item]):
    """A bounded queue between two threads that either side can close; nobody waits on a side that is gone."""

    def __init__(self, size: int, *, is_handed: bool = False) -> None:
        """
        Args:
            is_handed: an item has been put when it was taken.
        """
        if size < 1:
            raise ValueError(f"size is {size}; a queue holds at least 1 item")
        self.size, self.is_handed = size, is_handed
        self.items: deque[Item] = deque()
        self.changed = threading.Condition()
        self.is_finished = False  # no more will be put
        self.is_abandoned = False  # no more will be taken
        self.error: BaseException | None = None

    @property
    def is_over(self) -> bool:
        return self.is_finished or self.is_abandoned

    def put(self, item: Item) -> None:
        with self.changed:
            self.changed.wait_for(lambda: self.is_over or len(self.items) < self.size)
            if self.is_over:
                raise _Closed
            self.items.append(item)
            self.changed.notify_all()
            if self.is_handed:
                self.changed.wait_for(lambda: self.is_over or not self.items)

    def take(self) -> Item:
        """Return the next item; after the last one raise the putting side's error, or `_Closed`."""
        with self.changed:
            self.changed.wait_for(lambda: self.is_over or bool(self.items))
            if self.items:
                item = self.items.popleft()
                self.changed.notify_all()
                return item
            if self.error is not None:
                raise self.error
            raise _Closed

    def finish(self, error: BaseException | None = None) -> None:
        with self.changed:
            self.is_finished, self.error = True, error
            self.changed.notify_all()

    def abandon(self, error: BaseException | None = None) -> None:
        with self.changed:
            self.is_abandoned, self.error = True, error or self.error
            self.items.clear()
            self.changed.notify_all()


def prefetch(source: Iterable[Item], size: int) -> Generator[Item, None, None]:
    """Yield the items of `source`, of which a background thread reads up to `size` ahead.

    The thread starts with the first item asked for and has ended when this generator ends: at the last item, when the
    source raises (the error comes out here after the items before it), or when the consumer stops or fails (the source
    is closed in its thread). Close the generator, or leave it by an error, to stop early.
    """
    channel = _Channel[Item](size)
    with _fed(source, channel, lambda: None):
        yield from _taken(channel)


@contextmanager
def side_by_side(source: Iterable[Item], begin: Callable[[], None]) -> Generator[Iterator[Item], None, None]:
    """Give the items of `source`, which a background thread computes while the one before is used.

    The first is begun at once, and the next when one is taken, so that there are two at a time. All else is as in
    `prefetch`; the thread has ended when the `with` block is left.

    Args:
        begin: called in the thread first.
    """
    channel = _Channel[Item](1, is_handed=True)
    with _fed(source, channel, begin):
        yield _taken(channel)


@contextmanager
def _fed(source: Iterable[Item], channel: _Channel[Item], begin: Callable[[], None]) -> Generator[None, None, None]:
    thread = threading.Thread(target=_feed, args=(source, channel, begin), name="prefetch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        _abandon(channel, thread)


def _taken(channel: _Channel[Item]) -> Iterator[Item]:
    while True:
        try:
            item = channel.take()
        except _Closed:
            return
        yield item


def _abandon(channel: _Channel[Any], thread: threading.Thread) -> None:
    """Let a thread end early and wait for it, also where a signal comes meanwhile: what it uses is closed next."""
    try:
        channel.abandon()
        thread.join()
    except BaseException:
        channel.abandon()
        thread.join()
        raise


def _feed(source: Iterable[Item], channel: _Channel[Item], begin: Callable[[], None]) -> None:
    error: BaseException | None = None
    iterator = None
    try:
        begin()
        iterator = iter(source)
        for item in iterator:
            channel.put(item)
    except _Closed:
        pass
    except BaseException as caught:
        error = caught
    try:
        close = getattr(iterator, "close", None)
        if close is not None:
            close()
    except BaseException as caught:
        error = error or caught
    channel.finish(error)


class WriteBehind(Generic[Item]):
    """Hands items to `write` in one background thread, in order. Use as a context manager.

    An error of `write` comes out of the next `put` or of `close`, once; later items are dropped. Leaving the block by
    an error drops what waits, without writing it. Either way the thread has ended afterwards.
    """

    def __init__(self, write: Callable[[Item], None], size: int) -> None:
        self._channel: _Channel[Item] = _Channel(size)
        self._write = write
        self._thread = threading.Thread(target=self._drain, name="write-behind", daemon=True)
        self._thread.start()

    def put(self, item: Item) -> None:
        """Queue an item; waits while the queue is full."""
        try:
            self._channel.put(item)
        except _Closed:
            self._stop(is_dropping=True)
            raise RuntimeError("put after the writer was closed") from None

    def close(self) -> None:
        """Wait until all is written."""
        self._stop(is_dropping=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
            return
        _abandon(self._channel, self._thread)

    def _stop(self, *, is_dropping: bool) -> None:
        try:
            if is_dropping:
                self._channel.abandon()
            self._channel.finish(self._channel.error)
            self._thread.join()
        except BaseException:  # a signal
            _abandon(self._channel, self._thread)
            raise
        error, self._channel.error = self._channel.error, None
        if error is not None:
            raise error

    def _drain(self) -> None:
        try:
            while True:
                self._write(self._channel.take())
        except _Closed:
            pass
        except BaseException as error:
            self._channel.abandon(error)
