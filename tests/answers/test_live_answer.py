"""The live answer, its text and its end, on one event loop, without a site."""

import asyncio

import pytest

from chat.answers.live_answer import PIECE_BYTES, LiveAnswer
from chat.errors import InvalidRequest
from tests.harness.live_frames import DONE, names, next_events, rest, waiting
from tests.harness.sse import Decoder, text_of

# --- Following -------------------------------------------------------------


async def test_reader_takes_all_there_is_as_one_delta(live: LiveAnswer) -> None:
    frames = live.frames(0)
    assert names(await next_events(frames)) == ["start"]
    for piece in ("Hel", "lo ", "🙂"):
        live.append(piece)
    (delta,) = await next_events(frames)
    assert (delta.data["text"], delta.id) == ("Hello 🙂", "10")


async def test_waiting_reader_is_woken_by_text(live: LiveAnswer) -> None:
    frames = live.frames(0)
    await next_events(frames)
    task = await waiting(frames)
    live.append("a")
    assert text_of(await task) == "a"


async def test_slow_reader_gets_one_bigger_delta_and_quick_one_all_pieces(live: LiveAnswer) -> None:
    quick, slow = live.frames(0), live.frames(0)
    await next_events(quick)
    await next_events(slow)
    pieces = []
    for piece in "abc":
        live.append(piece)
        pieces.append(text_of(await next_events(quick)))
    assert pieces == ["a", "b", "c"]
    assert text_of(await next_events(slow)) == "abc"


async def test_long_text_comes_in_pieces_that_cut_no_character_and_the_end_behind_the_last(
    live: LiveAnswer,
) -> None:
    text = "x" + "€𝄞" * PIECE_BYTES
    live.append(text)
    live.end(DONE)
    frames = [frame async for frame in live.frames(0)]
    assert max(map(len, frames)) < 2 * PIECE_BYTES
    assert text_of(Decoder().feed(b"".join(frames))) == text
    assert [b"event: done" in frame for frame in frames] == [False] * (len(frames) - 1) + [True]


async def test_late_reader_gets_everything_from_its_cursor_on(live: LiveAnswer) -> None:
    live.append("early ")
    frames = live.frames(3)
    await next_events(frames)
    assert text_of(await next_events(frames)) == "ly "
    live.append("late")
    assert text_of(await next_events(frames)) == "late"


async def test_text_that_was_saved_shorter_than_it_was_shown_ends_at_its_own_cursor(
    live: LiveAnswer,
) -> None:
    live.append("shown and lost")
    frames = live.frames(0)
    await next_events(frames)
    assert text_of(await next_events(frames)) == "shown and lost"
    live.replace_text(b"shown")
    live.end(DONE)
    done, end = await rest(frames)
    assert (done.name, done.id, end.is_end) == ("done", "5", True)
    assert text_of(await rest(live.frames(0))) == "shown"


async def test_any_cursor_that_a_delta_named_gives_the_rest(live: LiveAnswer) -> None:
    live.append('é\n🙂"\u2028z')
    live.end(DONE)
    whole = live.text.decode()
    for index in range(len(whole) + 1):
        cursor = len(whole[:index].encode())
        live.check_cursor(cursor)
        events = await rest(live.frames(cursor))
        assert text_of(events) == whole[index:]
        assert events[-1].is_end


async def test_cursor_inside_a_character_is_refused(live: LiveAnswer) -> None:
    live.append("é🙂")
    for cursor in (1, 3, 4, 5):
        with pytest.raises(InvalidRequest):
            live.check_cursor(cursor)
    for cursor in (0, 2, 6):
        live.check_cursor(cursor)


async def test_reader_ahead_of_the_text_waits_for_what_comes_after_its_cursor(
    live: LiveAnswer,
) -> None:
    live.append("abc")
    frames = live.frames(5)
    await next_events(frames)
    task = await waiting(frames)
    live.append("defg")
    assert text_of(await task) == "fg"


async def test_text_is_kept_once_however_many_read_it(live: LiveAnswer) -> None:
    readers = [live.frames(0) for _ in range(50)]
    for frames in readers:
        await next_events(frames)
    live.append("x" * 1000)
    for frames in readers:
        assert text_of(await next_events(frames)) == "x" * 1000
    assert len(live.text) == 1000
    assert all(not hasattr(reader, "__dict__") for reader in live.readers)


# --- The end ---------------------------------------------------------------


async def test_end_comes_once_behind_the_rest_of_the_text(live: LiveAnswer) -> None:
    frames = live.frames(0)
    await next_events(frames)
    live.append("abc")
    live.end(DONE)
    events = await rest(frames)
    assert names(events) == ["delta", "done", "message"]
    assert (events[1].id, events[1].data) == ("3", DONE)
    assert events[-1].is_end


async def test_error_stands_before_done(live: LiveAnswer) -> None:
    live.end({"status": "failed"}, {"code": "internal_error"})
    assert names(await rest(live.frames(0))) == ["start", "error", "done", "message"]


async def test_waiting_reader_is_woken_by_the_end(live: LiveAnswer) -> None:
    frames = live.frames(0)
    await next_events(frames)
    task = await waiting(frames)
    live.end(DONE)
    assert names(await task) == ["done", "message"]
    assert await rest(frames) == []


async def test_reader_that_comes_after_the_end_gets_all_of_it(live: LiveAnswer) -> None:
    live.append("abc")
    live.end(DONE)
    for _ in range(2):
        assert names(await rest(live.frames(0))) == ["start", "delta", "done", "message"]
    assert names(await rest(live.frames(3))) == ["start", "done", "message"]


async def test_handed_over_readers_get_the_text_so_far_and_no_end(live: LiveAnswer) -> None:
    frames = live.frames(0)
    await next_events(frames)
    live.append("abc")
    live.detach_readers()
    assert names(await rest(frames)) == ["delta"]


async def test_waiting_reader_is_let_go_when_readers_are_detached(live: LiveAnswer) -> None:
    frames = live.frames(0)
    await next_events(frames)
    task = asyncio.create_task(rest(frames))
    await asyncio.sleep(0)
    live.detach_readers()
    assert await task == []


async def test_reader_that_comes_after_readers_were_detached_is_let_go_too(
    live: LiveAnswer,
) -> None:
    live.detach_readers()
    live.append("abc")
    assert names(await rest(live.frames(0))) == ["start", "delta"]


async def test_handed_over_answer_that_has_ended_tells_its_end(live: LiveAnswer) -> None:
    live.detach_readers()
    live.end(DONE)
    assert (await rest(live.frames(0)))[-1].is_end
