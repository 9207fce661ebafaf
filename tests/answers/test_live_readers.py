"""The readers of a live answer: statuses, silence, plain text, and who watches."""

import asyncio
from collections.abc import AsyncGenerator
from time import monotonic

import pytest

from chat.answers import sse
from chat.answers.live_answer import PING_SECONDS, LiveAnswer
from tests.harness.live_frames import DONE, names, next_events, rest, waiting
from tests.harness.sse import Event

# --- What is being waited for ----------------------------------------------


async def test_statuses_come_in_order_before_the_text_that_followed(live: LiveAnswer) -> None:
    frames = live.frames(0)
    await next_events(frames)
    live.status({"attempt": 2})
    live.status({"attempt": 3})
    live.append("a")
    assert [event.data for event in await rest_of_one_send(frames) if event.name == "status"] == [
        {"attempt": 2},
        {"attempt": 3},
    ]


async def rest_of_one_send(frames: AsyncGenerator[bytes, None]) -> list[Event]:
    events = await next_events(frames)
    assert names(events) == ["status", "status", "delta"]
    return events


async def test_late_reader_is_told_the_latest_status_only(live: LiveAnswer) -> None:
    live.status({"attempt": 2})
    live.status({"attempt": 3})
    frames = live.frames(0)
    await next_events(frames)
    assert [event.data for event in await next_events(frames)] == [{"attempt": 3}]


async def test_late_reader_is_told_no_status_once_there_is_text(live: LiveAnswer) -> None:
    live.status({"attempt": 2})
    live.append("a")
    frames = live.frames(0)
    await next_events(frames)
    assert names(await next_events(frames)) == ["delta"]


# --- Silence ---------------------------------------------------------------


async def test_silent_reader_is_pinged_after_fifteen_seconds_and_again(live: LiveAnswer) -> None:
    frames = live.frames(0)
    await next_events(frames)
    (reader,) = live.readers
    for _ in range(2):
        task = await waiting(frames)
        reader.ping_if_silent(reader.sent_at + PING_SECONDS - 0.1)
        await asyncio.sleep(0)
        assert not task.done()
        reader.ping_if_silent(reader.sent_at + PING_SECONDS)
        assert names(await task) == ["comment"]


async def test_ping_counts_as_a_frame_and_text_takes_its_place(live: LiveAnswer) -> None:
    frames = live.frames(0)
    await next_events(frames)
    (reader,) = live.readers
    task = await waiting(frames)
    reader.ping_if_silent(monotonic() + PING_SECONDS)
    live.append("a")
    assert names(await task) == ["delta"]


async def test_ping_is_the_comment_of_the_contract() -> None:
    assert sse.PING == b": ping\n\n"


# --- The plain text, for the page without scripts --------------------------


async def test_pieces_are_the_text_as_it_comes_and_end_with_the_answer(live: LiveAnswer) -> None:
    live.append("early ")
    pieces = live.pieces()
    assert await anext(pieces) == "early "
    task = asyncio.create_task(anext(pieces))
    await asyncio.sleep(0)
    live.append("🙂")
    assert await task == "🙂"
    live.append("last")
    live.end(DONE)
    assert [piece async for piece in pieces] == ["last"]
    assert not live.readers


async def test_pieces_tell_silence_by_an_empty_one_and_end_when_readers_are_detached(
    live: LiveAnswer,
) -> None:
    pieces = live.pieces()
    task = asyncio.create_task(anext(pieces))
    await asyncio.sleep(0)
    (reader,) = live.readers
    reader.ping_if_silent(reader.sent_at + PING_SECONDS)
    assert await task == ""
    live.detach_readers()
    assert [piece async for piece in pieces] == []


# --- Who watches -----------------------------------------------------------


def is_watched(live: LiveAnswer) -> bool:
    return live.unwatched_since is None


async def test_answer_is_watched_while_one_reader_is_left(live: LiveAnswer) -> None:
    assert not is_watched(live)
    assert not live.was_watched
    first, second = live.frames(0), live.frames(0)
    await next_events(first)
    await next_events(second)
    assert is_watched(live)
    await first.aclose()
    assert is_watched(live)
    await second.aclose()
    assert live.unwatched_since == pytest.approx(monotonic(), abs=1)
    assert live.was_watched


async def test_reader_that_leaves_while_it_waits_is_forgotten(live: LiveAnswer) -> None:
    frames = live.frames(0)
    await next_events(frames)
    task = await waiting(frames)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not live.readers
    live.append("nobody is woken")


async def test_reader_that_has_read_to_the_end_is_forgotten(live: LiveAnswer) -> None:
    live.end(DONE)
    await rest(live.frames(0))
    assert not live.readers
