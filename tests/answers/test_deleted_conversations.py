"""Deleting a conversation stops its answer, which does not come back."""

import pytest

from chat.models import Conversation, Message
from tests.harness import wire
from tests.harness.answers import client_of_worker, ledger, other_worker, owner_pid, wait_until
from tests.harness.ends import check_slot_is_free, whole
from tests.harness.people import Person
from tests.harness.site import Site
from tests.harness.upstream import Upstream


@pytest.mark.parametrize("where", ["here", "elsewhere"])
def test_deleting_a_conversation_stops_its_answer_which_does_not_come_back(
    person: Person, site2: Site, upstream: Upstream, where: str
) -> None:
    key = upstream.script([*wire.text("some text"), wire.Stall()])
    client = person.client_on(site2)
    stream = client.chat(content=key)
    stream.until_text("some text")
    conversation, owner = stream.events[0].data["conversation"], owner_pid(stream)
    deleting = client_of_worker(
        person, site2, owner if where == "here" else other_worker(site2, owner)
    )
    answer = stream.answer
    assert deleting.post(f"/c/{conversation}/delete/").status_code in (200, 204, 302, 303)
    upstream.wait_for_close(upstream.requests(key)[0], timeout=2)
    whole(stream)
    wait_until(lambda: ledger(answer).outcome == "stopped")
    assert ledger(answer).estimated
    assert not Message.objects.filter(conversation=conversation).exists()
    assert not Conversation.objects.filter(id=conversation).exists()
    with client.resume(answer) as gone:
        assert gone.status == 404
    check_slot_is_free(client)


def test_answer_whose_conversation_vanishes_is_stopped_and_not_brought_back(
    person: Person, upstream: Upstream
) -> None:
    key = upstream.script([*wire.text("some text"), wire.Stall()])
    stream = person.client.chat(content=key)
    stream.until_text("some text")
    Conversation.objects.filter(id=stream.events[0].data["conversation"]).delete()
    upstream.wait_for_close(upstream.requests(key)[0], timeout=10)
    assert whole(stream).ended
    assert not Message.objects.filter(id=stream.answer).exists()
    assert ledger(stream).outcome == "stopped"
    check_slot_is_free(person.client)
