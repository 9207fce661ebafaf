"""A model is sent prompts and answers in turn, whatever became of the answers."""

from typing import Any

import pytest

from chat.limits import budgets
from chat.models import ChatModel, Message
from chat.upstream import trimming
from tests.harness import wire
from tests.harness.answers import message
from tests.harness.client import Stream
from tests.harness.ends import whole
from tests.harness.people import Person
from tests.harness.upstream import DEFAULT_PIECES, DEFAULT_TEXT, Request, Upstream
from tests.harness.upstream_quirks import refusals as table
from tests.harness.upstream_quirks.refusals import REFUSALS


class Talk:
    """One conversation with one model."""

    def __init__(self, person: Person, upstream: Upstream, model: str) -> None:
        self.person, self.upstream, self.model = person, upstream, model
        self.conversation: str | None = None

    def say(self, content: str, **fields: Any) -> Stream:
        stream = whole(self.open(content, **fields))
        assert stream.status == 200, stream.json()
        return stream

    def open(self, content: str, **fields: Any) -> Stream:
        stream = self.person.client.chat(
            content=content, model=self.model, conversation=self.conversation, **fields
        )
        stream.until("start")
        self.conversation = stream.named("start")[0]["conversation"]
        return stream

    def fail(self, *, words: str = "") -> str:
        """A prompt without an answer; returns it."""
        key = self.upstream.script(wire.refused(401))
        assert self.say(key + words).named("done")[0]["status"] == "failed"
        return key + words


@pytest.fixture
def talk(alice: Person, upstream: Upstream, slug: str) -> Talk:
    return Talk(alice, upstream, slug)


def sent(request: Request) -> list[tuple[str, str]]:
    """Role and text of each message; that they take turns, and that a person begins."""
    messages = request.body["messages"]
    turns = [each for each in messages if each["role"] != "system"]
    assert [each["role"] for each in turns] == ["user", "assistant"] * (len(turns) // 2) + ["user"]
    return [(each["role"], each["content"]) for each in messages]


def last_request(upstream: Upstream, key: str) -> Request:
    return upstream.requests(key)[-1]


def stopped(talk: Talk, upstream: Upstream) -> str:
    gate = wire.Gate()
    key = upstream.script([wire.HEADERS, gate])
    with talk.open(key) as stream:
        gate.wait_until_reached()
        talk.person.client.stop(stream.answer)
        stream.read()
    gate.open()
    return key


def empty(talk: Talk, upstream: Upstream) -> str:
    key = upstream.script([wire.role(), wire.finish("stop"), wire.usage(11, 0), wire.DONE])
    talk.say(key)
    return key


def failed(talk: Talk, upstream: Upstream) -> str:
    return talk.fail()


@pytest.mark.parametrize("unanswered", [failed, empty, stopped])
def test_prompt_that_got_no_answer_goes_before_the_next_one(
    talk: Talk, upstream: Upstream, unanswered: Any
) -> None:
    first = unanswered(talk, upstream)
    key = upstream.key()
    talk.say(key)
    assert sent(last_request(upstream, key)) == [("user", f"{first}\n\n{key}")]


def test_several_of_them_in_the_middle_are_one_prompt(talk: Talk, upstream: Upstream) -> None:
    talk.say("Hello")
    prompts = [talk.fail() for _ in range(3)]
    after = upstream.script(wire.answer(*DEFAULT_PIECES))
    talk.say(after)
    key = upstream.key()
    talk.say(key)
    joined = "\n\n".join([*prompts, after])
    turns = [
        ("user", "Hello"),
        ("assistant", DEFAULT_TEXT),
        ("user", joined),
        ("assistant", DEFAULT_TEXT),
        ("user", key),
    ]
    assert sent(last_request(upstream, key)) == turns


def test_answer_that_broke_off_is_an_answer(talk: Talk, upstream: Upstream) -> None:
    first = upstream.script([*wire.text("some"), wire.Cut()])
    talk.say(first)
    key = upstream.key()
    talk.say(key)
    assert sent(last_request(upstream, key)) == [
        ("user", first),
        ("assistant", "some"),
        ("user", key),
    ]


def test_answer_asked_for_again_is_asked_with_the_prompts_before(
    talk: Talk, upstream: Upstream
) -> None:
    first = talk.fail()
    key = upstream.script(wire.answer("one"), wire.answer("two"))
    answer = talk.say(key).answer
    whole(
        talk.person.client.chat(conversation=talk.conversation, regenerate=answer, model=talk.model)
    )
    assert [sent(request) for request in upstream.requests(key)] == [
        [("user", f"{first}\n\n{key}")]
    ] * 2


def test_other_branch_knows_nothing_of_it(talk: Talk, upstream: Upstream) -> None:
    answer = talk.say("Hello").answer
    talk.fail()
    key = upstream.key()
    talk.say(key, parent=answer)
    assert sent(last_request(upstream, key)) == [
        ("user", "Hello"),
        ("assistant", DEFAULT_TEXT),
        ("user", key),
    ]


REFUSED_FOR_ITSELF = [*table.meaning(table.FILTER)[:3], "openai: window"]


@pytest.mark.parametrize("name", REFUSED_FOR_ITSELF)
def test_prompt_that_was_refused_for_itself_is_not_sent_again(
    talk: Talk, upstream: Upstream, name: str
) -> None:
    talk.say(upstream.script(REFUSALS[name].script) + " word" * 9000)
    key = upstream.key()
    talk.say(key)
    assert sent(last_request(upstream, key)) == [("user", key)]


def test_refused_prompt_can_be_asked_again_itself(talk: Talk, upstream: Upstream) -> None:
    key = upstream.script(REFUSALS["deepseek: filter"].script, wire.answer("after all"))
    answer = talk.say(key).answer
    again = whole(
        talk.person.client.chat(conversation=talk.conversation, regenerate=answer, model=talk.model)
    )
    assert again.text == "after all"
    assert sent(last_request(upstream, key)) == [("user", key)]


def test_what_is_left_of_a_long_conversation_alternates_too(talk: Talk, upstream: Upstream) -> None:
    ChatModel.objects.filter(slug=talk.model).update(
        context_tokens=600, max_output_tokens=100, system_prompt="Be kind."
    )
    words = " word" * 80
    for _ in range(3):
        talk.say(f"Hello{words}")
        talk.fail(words=words)
    key = upstream.key()
    stream = talk.say(key)
    roles = [role for role, _ in sent(last_request(upstream, key))]
    assert roles[0] == "system"
    assert roles[-1] == "user"
    # Prompts without an answer count as messages of their own.
    assert message(stream).trimmed > 0


def test_refused_history_of_unanswered_prompts_is_shortened(talk: Talk, upstream: Upstream) -> None:
    first, second = talk.fail(words=" word" * 800), talk.fail(words=" word" * 800)
    key = upstream.script(REFUSALS["openai: window"].script, wire.answer("at last"))
    stream = talk.say(key)
    assert stream.text == "at last"
    before, after = (sent(request) for request in upstream.requests(key))
    assert before == [("user", f"{first}\n\n{second}\n\n{key}")]
    assert after in ([("user", key)], [("user", f"{second}\n\n{key}")])
    assert stream.named("done")[0]["trimmed"] in (1, 2)


def test_what_a_program_sends_is_sent_as_it_is(
    alice: Person, upstream: Upstream, slug: str
) -> None:
    key = upstream.key()
    messages = [{"role": "user", "content": text} for text in ("one", "two", key)]
    whole(alice.client.chat(messages=messages, model=slug))
    assert last_request(upstream, key).body["messages"] == messages


@pytest.mark.parametrize(
    "texts", [["a"], ["a", "b"], ["x" * 100, "", "y"], ["注意", "é" * 33, "z"]]
)
def test_joined_prompts_are_never_longer_by_the_bounds(texts: list[str]) -> None:
    messages = [{"role": "user", "content": text} for text in texts]
    joined = trimming.alternating(messages)
    assert budgets.max_prompt_tokens(joined) <= budgets.max_prompt_tokens(messages)
    assert budgets.estimate_prompt(joined) <= budgets.estimate_prompt(messages)
    assert len(joined) == 1


def test_turn_within_a_budget_pays_for_what_was_joined(
    make_user: Any, upstream: Upstream, slug: str
) -> None:
    talk = Talk(make_user("carol", tokens_per_day=4000), upstream, slug)
    first = talk.fail(words=" word" * 100)
    key = upstream.key()
    talk.say(key)
    request = last_request(upstream, key)
    assert sent(request) == [("user", f"{first}\n\n{key}")]
    bound = budgets.max_prompt_tokens(request.body["messages"])
    assert bound + request.body["max_completion_tokens"] <= 4000
    assert Message.objects.filter(conversation_id=talk.conversation).count() == 4
