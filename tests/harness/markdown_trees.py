"""What the page shows of a growing answer, compared with the server's HTML of the same text."""

import json
from typing import Any

from playwright.sync_api import Page

from chat.markdown import render

_SCRIPT = """
import("/static/js/chat/thread/markdown.js").then(({ MarkdownStream }) => {
  const DELIMITERS = /^(?:(\\$\\$?)\\s*([^]*?)\\s*\\1|\\\\[([]\\s*([^]*?)\\s*\\\\[)\\]])$/;
  const LISTS = "#document-fragment DIV UL OL LI BLOCKQUOTE";
  const BLOCKS = new Set(`${LISTS} TABLE THEAD TBODY TR`.split(" "));

  // Names, attributes and texts; colours of code, and how a formula is shown, left out.
  function tree(node) {
    if (node.nodeType === Node.TEXT_NODE) return node.data;
    if (node.matches?.(".formula, .formula-block"))
      return ["formula", node.className, formula(node)];
    if (node.matches?.(".code-block"))
      return [".code-language", "code"].map((part) => node.querySelector(part).textContent);
    const attributes = [...(node.attributes ?? [])].map(({ name, value }) => `${name}=${value}`);
    return [node.nodeName, attributes.sort(), children(node)];
  }
  function formula(node) {
    const math = node.querySelector("math");
    if (math) return math.getAttribute("alttext").trim();
    return node.textContent.replace(DELIMITERS, "$2$3");
  }
  function children(node) {
    const found = [...node.childNodes].map((child) => {
      const part = tree(child);
      const endsLine = child.nextSibling?.nodeName === "BR" && typeof part === "string";
      return endsLine ? part.trimEnd() : part;
    });
    if (!BLOCKS.has(node.nodeName)) return found;
    const trim = (part) => typeof part === "string" ? part.replace(/^\\n|\\n$/g, "") : part;
    return found.map(trim).filter((part) => part !== "");
  }
  function treeOf(html) {
    const template = document.createElement("template");
    template.innerHTML = html;
    return children(template.content);
  }
  const newBody = () => {
    const body = document.createElement("div");
    document.body.append(body);
    return body;
  };
  // `steps`: [piece, html of all pieces so far].
  window.compareAgreement = (steps) => {
    const body = newBody();
    const stream = new MarkdownStream(body);
    const differences = [];
    for (const [piece, html] of steps) {
      stream.write(piece);
      stream.flush();
      const [shown, final] = [JSON.stringify(children(body)), JSON.stringify(treeOf(html))];
      if (shown !== final) differences.push([shown, final]);
      else differences.push(null);
    }
    body.remove();
    return differences;
  };
  window.treeOfLast = () => {
    const bodies = [...document.querySelectorAll("[data-body]")];
    return JSON.stringify(children(bodies.at(-1)));
  };
})
"""


def prepare(page: Page) -> None:
    """Load the comparison into an open chat page."""
    page.evaluate(_SCRIPT)


def disagreements(page: Page, text: str, cuts: list[int]) -> list[dict[str, Any]]:
    """Stream `text`, cut there, and return each beginning at which page and server differ."""
    ends = [*cuts, len(text)]
    starts = [0, *cuts]
    parts = zip(starts, ends, strict=True)
    steps = [[text[start:end], render(text[:end])] for start, end in parts]
    found = page.evaluate("steps => compareAgreement(steps)", steps)
    return [
        {"text": text[:end], "shown": pair[0], "final": pair[1]}
        for end, pair in zip(ends, found, strict=True)
        if pair is not None
    ]


def tree_of_last(page: Page) -> str:
    """Return the tree of the last answer on the page."""
    return str(page.evaluate("treeOfLast()"))


_STREAM = """
async (text) => {
  const { MarkdownStream } = await import("/static/js/chat/thread/markdown.js");
  const body = document.createElement("div");
  body.className = "prose";
  document.querySelector("[data-thread]").append(body);
  const stream = new MarkdownStream(body);
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  for (let start = 0; start < text.length; start += 500) {
    stream.write(text.slice(start, start + 500));
    await frame();
  }
  stream.write("\\n\\nThe last words.");
  while (!body.textContent.includes("The last words.")) await frame();
  await frame();
  body.remove();
}
"""

# Takes about 10 ms on an idle machine.
_YARDSTICK = """
() => new Promise((resolve) => setTimeout(() => {
  let sum = 0;
  for (let step = 0; step < 3_000_000; step += 1) sum = (sum * 31 + step) % 1_000_003;
  resolve(sum);
}))
"""
_YARDSTICK_MS = 10


def longest_task_ms(page: Page, text: str) -> float:
    """Stream `text`, 500 characters a frame, and return the longest task of the page's thread.

    In milliseconds of an idle machine, which this one may not be.
    """
    slowness = max(1, _longest(page, _YARDSTICK) / _YARDSTICK_MS)
    return _longest(page, _STREAM, text) / slowness


def _longest(page: Page, script: str, argument: str = "") -> float:
    """Return the processor time of the longest task while `script` runs, in milliseconds."""
    browser = page.context.browser
    assert browser is not None
    browser.start_tracing(page=page, categories=["toplevel"])
    page.evaluate(script, argument)
    events = json.loads(browser.stop_tracing())["traceEvents"]
    names = [event for event in events if event["name"] == "thread_name"]
    mains = {_thread(name) for name in names if name["args"]["name"] == "CrRendererMain"}
    tasks = [event for event in events if event["name"].endswith("RunTask")]
    return max(float(task.get("tdur", 0)) for task in tasks if _thread(task) in mains) / 1000


def _thread(event: dict[str, Any]) -> tuple[int, int]:
    return event["pid"], event["tid"]
