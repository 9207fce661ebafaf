"""What refusals have taught of a model is applied, shown, adopted and forgotten."""

from typing import Any

import pytest
from django.test import Client as Visitor

from chat.models import ChatModel
from chat.upstream import learned
from chat.upstream.adaptation import Lesson
from tests.harness import wire
from tests.harness.answers import message
from tests.harness.ends import whole
from tests.harness.people import Person
from tests.harness.site import Site
from tests.harness.upstream import Upstream
from tests.harness.upstream_quirks.refusals import REFUSALS


def teach(person: Person, upstream: Upstream, model: ChatModel, *names: str) -> None:
    key = upstream.script(*(REFUSALS[name].script for name in names), wire.answer("at last"))
    assert whole(person.client.chat(content=key, model=model.slug)).text == "at last"


def asked(person: Person, site: Site, upstream: Upstream, model: ChatModel) -> dict[str, Any]:
    """The body of a turn's first request."""
    key = upstream.key()
    whole(person.client_on(site).chat(content=key, model=model.slug))
    (request,) = upstream.requests(key)
    body: dict[str, Any] = request.body
    return body


LESSONS = {
    "vllm: whole": "It reads 8,192 tokens, not 128,000.",
    "openai: output": "It says 4,096 tokens at most, not 16,384.",
    "mistral: max_completion_tokens": "It wants its limit as max_tokens.",
    "mistral: stream_options": "It does not take stream_options",
    "openai: stream": "It does not stream",
}


@pytest.mark.parametrize("name", LESSONS)
def test_lesson_stands_on_the_models_page_until_it_is_forgotten(
    alice: Person, operator: Visitor, site: Site, upstream: Upstream, model: ChatModel, name: str
) -> None:
    before = asked(alice, site, upstream, model)
    teach(alice, upstream, model, name)
    address = f"/admin/chat/chatmodel/{model.pk}/change/"
    assert LESSONS[name] in operator.get(address).content.decode()
    after = asked(alice, site, upstream, model)
    assert {**after, "messages": 0} != {**before, "messages": 0}
    assert (
        operator.post(f"/admin/chat/chatmodel/{model.pk}/learned/", {"do": "forget"}).status_code
        == 302
    )
    page = operator.get(f"/admin/chat/chatmodel/{model.pk}/history/").content.decode()
    assert "forgotten" in page
    assert LESSONS[name] not in operator.get(address).content.decode()
    assert {**asked(alice, site, upstream, model), "messages": 0} == {**before, "messages": 0}


def test_lesson_holds_on_every_worker(
    alice: Person, site2: Site, upstream: Upstream, model: ChatModel
) -> None:
    client = alice.client_on(site2)
    key = upstream.script(REFUSALS["vllm: whole"].script, wire.answer("at last"))
    assert whole(client.chat(content=key, model=model.slug)).text == "at last"
    for _ in range(8):
        assert asked(alice, site2, upstream, model)["max_completion_tokens"] < 8192


def test_lesson_can_be_made_the_models_own(
    alice: Person, operator: Visitor, site: Site, upstream: Upstream, model: ChatModel
) -> None:
    teach(
        alice,
        upstream,
        model,
        "vllm: whole",
        "openai: output",
        "mistral: max_completion_tokens",
        "mistral: stream_options",
    )
    assert (
        operator.post(f"/admin/chat/chatmodel/{model.pk}/learned/", {"do": "adopt"}).status_code
        == 302
    )
    model.refresh_from_db()
    assert (model.context_tokens, model.max_output_tokens, model.legacy_max_tokens) == (
        8192,
        4096,
        True,
    )
    assert [lesson for lesson, _ in learned.lessons(model)] == [Lesson("stream_options")]
    body = asked(alice, site, upstream, model)
    assert (body["max_tokens"], "stream_options" in body) == (4096, False)


def test_value_that_the_operator_sets_takes_the_place_of_the_lesson(
    alice: Person, site: Site, upstream: Upstream, model: ChatModel
) -> None:
    teach(alice, upstream, model, "openai: output", "mistral: max_completion_tokens")
    ChatModel.objects.filter(pk=model.pk).update(max_output_tokens=12_000)
    body = asked(alice, site, upstream, model)
    assert body["max_tokens"] == 12_000
    ChatModel.objects.filter(pk=model.pk).update(legacy_max_tokens=True)
    ChatModel.objects.filter(pk=model.pk).update(legacy_max_tokens=False)
    assert asked(alice, site, upstream, model)["max_tokens"] == 12_000


def test_other_upstream_has_nothing_to_do_with_the_lesson(
    alice: Person, upstream: Upstream, model: ChatModel, settings: Any
) -> None:
    teach(alice, upstream, model, "openai: output")
    model.refresh_from_db()
    assert learned.applied(model).max_output_tokens == 4096
    settings.OPENAI_BASE_URL = "http://other.example/v1"
    assert learned.applied(model).max_output_tokens == 16_384


def test_lesson_that_did_not_help_is_not_kept(
    alice: Person, upstream: Upstream, model: ChatModel
) -> None:
    key = upstream.script(REFUSALS["openai: output"].script, wire.refused(401))
    stream = whole(alice.client.chat(content=key, model=model.slug))
    assert message(stream).error_code == "upstream_rejected"
    model.refresh_from_db()
    assert model.learned == {}


@pytest.mark.parametrize("action", ["", "other"])
def test_page_that_posts_nonsense_changes_nothing(
    operator: Visitor, model: ChatModel, action: str
) -> None:
    learned.remember(model.slug, [Lesson("stream_options")])
    assert (
        operator.post(f"/admin/chat/chatmodel/{model.pk}/learned/", {"do": action}).status_code
        == 302
    )
    assert operator.get(f"/admin/chat/chatmodel/{model.pk}/learned/").status_code == 302
    assert operator.post("/admin/chat/chatmodel/0/learned/", {"do": "forget"}).status_code == 404
    model.refresh_from_db()
    assert model.learned


def test_who_may_only_look_sees_it_and_cannot_forget_it(bob: Person, model: ChatModel) -> None:
    from django.contrib.auth.models import Permission

    from tests.harness.visitor import visitor

    bob.user.is_staff = True
    bob.user.save()
    bob.user.user_permissions.add(Permission.objects.get(codename="view_chatmodel"))
    learned.remember(model.slug, [Lesson("stream_options")])
    looking = visitor(bob.user)
    page = looking.get(f"/admin/chat/chatmodel/{model.pk}/change/").content.decode()
    assert "It does not take stream_options" in page
    assert "Forget what was learned" not in page
    assert (
        looking.post(f"/admin/chat/chatmodel/{model.pk}/learned/", {"do": "forget"}).status_code
        == 403
    )
