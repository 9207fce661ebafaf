"""What is left out of a conversation that is longer than its model can read: the oldest turns, never a part of one. Pure."""

from chat.limits import budgets

Messages = list[dict[str, str]]


def newest(turns: Messages, room_tokens: int, most: int | None = None) -> Messages:
    """As many of the newest turns as are in `room_tokens` (estimated) and `most` messages; always the last prompt, whatever its length."""
    first = len(turns) - 1
    used = budgets.estimate_prompt(turns[first:])
    for index in range(len(turns) - 2, -1, -1):
        used += budgets.estimate_prompt([turns[index]])
        if used > room_tokens or (most is not None and len(turns) - index > most):
            break
        if turns[index]["role"] == "user":
            first = index
    return turns[first:]


def halved(messages: Messages) -> Messages | None:
    """The same without the oldest turns, half as long or less if that can be; None where only the last prompt is left.

    For when the upstream found them too long: the estimate was too low, and by how much is not known.
    """
    system = [message for message in messages[:1] if message["role"] == "system"]
    turns = messages[len(system) :]
    kept = newest(turns, budgets.estimate_prompt(turns) // 2)
    return [*system, *kept] if len(kept) < len(turns) else None
