// Server-sent events, from bytes to events, as
// https://html.spec.whatwg.org/multipage/server-sent-events.html has it. Pure: no I/O; bytes may be
// cut anywhere.

export class EventDecoder {
  lastEventId = "";
  #utf8 = new TextDecoder(); // drops a leading byte order mark, holds back half a character
  #rest = "";
  #afterCarriageReturn = false;
  #data = [];
  #name = "";

  /** Takes the next bytes; returns the events that they complete: {name, data, id}. */
  push(bytes) {
    let text = this.#utf8.decode(bytes, { stream: true });
    if (!text) return [];
    if (this.#afterCarriageReturn && text.startsWith("\n")) text = text.slice(1);
    this.#afterCarriageReturn = text.endsWith("\r");
    const lines = (this.#rest + text).split(/\r\n|\n|\r/);
    this.#rest = lines.pop();
    return lines.map((line) => this.#take(line)).filter(Boolean);
  }

  #take(line) {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + (line[colon + 1] === " " ? 2 : 1));
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#name = value;
    else if (field === "id" && !value.includes("\0")) this.lastEventId = value;
    return null;
  }

  #dispatch() {
    const event = {
      name: this.#name || "message",
      data: this.#data.join("\n"),
      id: this.lastEventId,
    };
    const complete = this.#data.length > 0;
    this.#data = [];
    this.#name = "";
    return complete ? event : null;
  }
}
