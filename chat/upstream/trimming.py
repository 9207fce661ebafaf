"""Leaves out the oldest turns of a conversation that exceeds its model's context. Pure."""

from chat.limits import budgets

Messages = list[dict[str, str]]


def newest(turns: Messages, max_tokens: int, max_messages: int | None = None) -> Messages:
    """Returns the newest turns that fit into `max_tokens` (estimated) and `max_messages`.

    The last prompt is always among them, however long it is.
    """
    first = len(turns) - 1
    used = budgets.estimate_prompt(turns[first:])
    for index in range(len(turns) - 2, -1, -1):
        used += budgets.estimate_prompt([turns[index]])
        if used > max_tokens or (max_messages is not None and len(turns) - index > max_messages):
            break
        if turns[index]["role"] == "user":
            first = index
    return turns[first:]


def prompt_tokens_available(context_tokens: int, max_output_tokens: int) -> int:
    """Returns how many tokens of a context the prompt may take.

    The rest is kept free for the answer, but no more than half.
    """
    return context_tokens - min(max_output_tokens, context_tokens // 2)


def fitted(messages: Messages, max_tokens: int) -> Messages:
    """Returns the messages that fit into `max_tokens` (estimated), without the oldest turns.

    A system prompt stays.
    """
    system, turns = _split(messages)
    return [*system, *newest(turns, max_tokens - budgets.estimate_prompt(system))]


def halved(messages: Messages) -> Messages:
    """Returns the messages without the oldest turns, at most half as long if that can be.

    For when the upstream found them too long: the estimate was too low, and it is not known by how
    much.
    """
    system, turns = _split(messages)
    return [*system, *newest(turns, budgets.estimate_prompt(turns) // 2)]


def alternating(messages: Messages) -> Messages:
    """Returns the messages with prompts that follow each other joined into one.

    Such prompts stand where one got no answer. Templates of several models refuse two in a row
    (Gemma, Mistral). The result is never longer, by the bounds of chat.limits.budgets.
    """
    joined: Messages = []
    for message in messages:
        if joined and message["role"] == joined[-1]["role"] == "user":
            joined[-1] = {
                "role": "user",
                "content": f"{joined[-1]['content']}\n\n{message['content']}",
            }
        else:
            joined.append(message)
    return joined


def _split(messages: Messages) -> tuple[Messages, Messages]:
    system = [message for message in messages[:1] if message["role"] == "system"]
    return system, messages[len(system) :]
