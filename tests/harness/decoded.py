"""What the decoder of the upstream's stream makes of some reads."""

from dataclasses import dataclass, field

from chat.upstream.decoder import Batch, ChunkDecoder
from chat.upstream.event_stream import EventDecoder


@dataclass
class Read:
    """All that was read of a stream."""

    text: str = ""
    deltas: int = 0
    finish_reason: str | None = None
    usage: tuple[int | None, int | None] = (None, None)
    done: bool = False
    broken: bool = False
    errors: list[object] = field(default_factory=list)

    def add(self, batch: Batch) -> None:
        self.text += batch.text
        self.deltas += batch.deltas
        self.finish_reason = batch.finish_reason or self.finish_reason
        if batch.prompt_tokens is not None:
            self.usage = batch.prompt_tokens, batch.completion_tokens
        self.done = self.done or batch.done
        self.broken = self.broken or batch.broken
        if batch.error:
            self.errors.append(batch.error)


def read(*reads: bytes) -> Read:
    events, chunks, result = EventDecoder(), ChunkDecoder(), Read()
    for data in reads:
        result.add(chunks.batch(events.feed(data)))
        if result.broken:
            break
        result.text.encode()  # a piece never has half a character
    result.text += chunks.rest(complete=True)
    return result
