"""Bodies that are no turn: given to the parser, and sent to a site."""

import json

ID = "6f2c1a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b"
OTHER = "7f2c1a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b"
AGAIN = {"conversation": ID, "regenerate": OTHER}
# Each body, and a word that the refusal's message has in it. tests/turns/test_refusals.py sends
# them to a site too.
INVALID: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "JSON object"),
    "no JSON": (b"hello", "JSON object"),
    "half of it": (b'{"content": "hi"', "JSON object"),
    "something behind it": (b'{"content": "hi"} x', "JSON object"),
    "null": (b"null", "JSON object"),
    "a list": (b'[{"content": "hi"}]', "JSON object"),
    "a text": (b'"hi"', "JSON object"),
    "no UTF-8": (b'{"content": "caf\xe9"}', "not valid"),
    "no UTF-8 in a name": (b'{"\xff": 1, "content": "hi"}', "JSON object"),
    "UTF-16": ('{"content": "hi"}'.encode("utf-16"), "JSON object"),
    "a byte order mark": (b'\xef\xbb\xbf{"content": "hi"}', "JSON object"),
    "a list nested too deep": (
        b'{"content": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "JSON object",
    ),
    "objects nested too deep": (
        b'{"content": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}",
        "JSON object",
    ),
    "nested too deep without an end": (b"[" * 100_000, "JSON object"),
    "a high surrogate alone": (b'{"content": "a\\ud83d"}', "UTF-8"),
    "a low surrogate alone": (b'{"content": "a\\ude00 b"}', "UTF-8"),
    "surrogates the wrong way round": (b'{"content": "\\ude00\\ud83d"}', "UTF-8"),
    "a surrogate in UTF-8": (b'{"content": "\xed\xa0\xbd"}', "not valid"),
    "NUL": (b'{"content": "a\\u0000b"}', "NUL"),
    "a raw control character": (b'{"content": "a\x00b"}', "UTF-8"),
    "no content": (b"{}", "content"),
    "content null": (b'{"content": null}', "content"),
    "content a number": (b'{"content": 5}', "content"),
    "content a list": (b'{"content": ["hi"]}', "content"),
    "content true": (b'{"content": true}', "content"),
    "content empty": (b'{"content": ""}', "empty"),
    "content blank": (b'{"content": " \\t\\n\\u00a0\\u3000 "}', "empty"),
    "conversation no uuid": (b'{"content": "hi", "conversation": "1"}', "conversation"),
    "conversation a number": (b'{"content": "hi", "conversation": 1}', "conversation"),
    "conversation empty": (b'{"content": "hi", "conversation": ""}', "conversation"),
    "parent no uuid": (b'{"content": "hi", "parent": "last"}', "parent"),
    "parent a number": (b'{"content": "hi", "parent": 0}', "parent"),
    "model a number": (b'{"content": "hi", "model": 4}', "model"),
    "model empty": (b'{"content": "hi", "model": ""}', "model"),
    "turn no uuid": (b'{"content": "hi", "turn": "1"}', "turn"),
    "turn a number": (b'{"content": "hi", "turn": 1}', "turn"),
    "an unknown field": (b'{"content": "hi", "temperature": 2}', "temperature"),
    "a field in capitals": (b'{"Content": "hi"}', "Content"),
    "content and messages": (
        b'{"content": "hi", "messages": [{"role": "user", "content": "hi"}]}',
        "content",
    ),
    "content and regenerate": (json.dumps({"content": "hi", **AGAIN}).encode(), "content"),
    "messages and regenerate": (
        json.dumps({"messages": [{"role": "user", "content": "hi"}], **AGAIN}).encode(),
        "not valid",
    ),
    "regenerate alone": (json.dumps({"regenerate": ID}).encode(), "conversation"),
    "regenerate in no conversation": (
        json.dumps({"regenerate": ID, "conversation": None}).encode(),
        "conversation",
    ),
    "regenerate null": (
        json.dumps({"regenerate": None, "conversation": ID}).encode(),
        "regenerate",
    ),
    "regenerate with a parent": (json.dumps({**AGAIN, "parent": ID}).encode(), "parent"),
    "no messages": (b'{"messages": []}', "no messages"),
    "messages null": (b'{"messages": null}', "messages"),
    "messages an object": (b'{"messages": {"role": "user", "content": "hi"}}', "messages"),
    "a message that is a text": (b'{"messages": ["hi"]}', "messages"),
    "a message without a role": (b'{"messages": [{"content": "hi"}]}', "role"),
    "a message without content": (b'{"messages": [{"role": "user"}]}', "content"),
    "a message with content in parts": (
        b'{"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]}',
        "content",
    ),
    "a message with a name": (
        b'{"messages": [{"role": "user", "content": "hi", "name": "Al"}]}',
        "name",
    ),
    "an unknown role": (b'{"messages": [{"role": "tool", "content": "hi"}]}', "role"),
    "a role in capitals": (b'{"messages": [{"role": "User", "content": "hi"}]}', "role"),
    "a role that is null": (b'{"messages": [{"role": null, "content": "hi"}]}', "role"),
    "a blank message": (
        b'{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": " "}]}',
        "empty",
    ),
    "NUL in a message": (
        (
            b'{"messages": [{"role": "system", "content": "\\u0000"}, {"role": "user", "content":'
            b' "hi"}]}'
        ),
        "NUL",
    ),
    "no message of the user": (b'{"messages": [{"role": "system", "content": "hi"}]}', "user"),
    "messages with a turn": (
        json.dumps({"messages": [{"role": "user", "content": "hi"}], "turn": ID}).encode(),
        "turn",
    ),
    "messages in a conversation": (
        json.dumps({"messages": [{"role": "user", "content": "hi"}], "conversation": ID}).encode(),
        "conv",
    ),
}
