"""Answers as models write them, and what people found to go wrong in them."""

import json
from pathlib import Path

_DATA = Path(__file__).resolve().parents[1] / "data" / "commonmark" / "examples.json"


def commonmark_examples() -> list[str]:
    """Return the Markdown of the specification's examples."""
    return list(json.loads(_DATA.read_text()))


EMPHASIS = [
    "**注意：**正文",
    "**「A」**なので**「B」**",
    "これは**重要（じゅうよう）**です。",
    "**테스트(test)**입니다. **“인용”**은 **강조**를",
    "请看*“斜体”*和**《书名》**以及~~（删除）~~文字",
    "**全角！**！**ＡＢＣ。**続き",
    "*斜体。*正文 _斜体。_正文 变量_名_字",
    "***太字と斜体。***です ~~「取消」~~です",
    "𠮷**「野家」**𠮷 **😀！**你好",
    "**`code`：**说明 **$x$：**公式 **https://a.example：**网址",
    "a_b_c snake_case_name 2*3*4 __init__ 5 * 3 * 2",
    "**bold *and italic* text** and ***both*** and **unclosed",
    "*a **b* c** d*",
    "**Note:**text **“quoted”**text",
    "~~struck~~ 约~100元~200元 ~5 to ~6 ~~~a~~~ ~one~",
    "~~a\nb~~ ~~ spaced ~~",
]
TABLES = [
    "| l | c | r |\n|:--|:-:|--:|\n| a | b | c |\n| **d** | `e` | ~~f~~ |",
    "text before\n| a | b |\n|---|---|\n| one<br>two | three<BR/>four<br /> |\n\n<br> in text",
    "| a | b |\n|---|---|\n| `x|y` | `p\\|q` |\n| [l](https://e.example/) | a \\| b |",
    "| ragged | row |\n|---|---|\n| one |\n| one | two | three |\n\nafter",
    "a | b\n--|--\nc | d\n# heading",
    "| 名称 | **说明：**文字 |\n|---|---|\n| 一 | https://example.com/a。 |",
    "| only | head |\n|---|---|",
    "- item\n\n  | a | b |\n  |---|---|\n  | 1 | 2 |",
    "> | a |\n> |---|\n> | 1 |",
    "para\n| a |\n|---| x\nmore",
]
NOTES = [
    (
        "Used[^1], twice[^1] and named[^long-name].\n\n[^1]: First note.\n[^long-name]: Second"
        " *note*\n    goes on.\n\n    And on.\n\nText after."
    ),
    "Undefined[^9] mark, [^] and [^ a].",
    "Nothing refers to this.\n\n[^7]: A lonely note.",
    "[^a]: Before its mark.\n\nThen the mark[^a].",
    "- in a list[^x]\n- more\n\n[^x]: note with `code` and\n      - a list",
    "脚注[^注]です。\n\n[^注]: **注意：**説明",
    "[^1]:\n\ntext[^1]",
]
DEFINITIONS = [
    'See [the page][p] and [p].\n\n[p]: https://p.example/ "Title"',
    "[unused]: https://u.example/path\n\nText.",
    "[used]: https://u.example/\n[other]: <https://o.example/> 'T'\n\n[used] only.",
    "[a]: https://one.example/\n\n[a]\n\n[a]: https://two.example/",
    '[multi]:\n  https://m.example/\n  "over\n  lines"\n\n[multi]',
    "Before [x].\n\n- in a list\n\n  [x]: https://x.example/\n\nAfter [x][] and [y][x].",
    "![alt *text*][img]\n\n[img]: https://i.example/a.png",
    '[half]: https://h.example/ "not closed\nand more text\n\n[half]',
    "[bad]: javascript:alert(1)\n\n[bad]",
    "> [q]: https://q.example/\n\n[q]",
    "text\n[no]: https://definition.example/\n\n[no]",
]
LISTS = [
    "- [ ] open\n- [x] done\n- [X] Done **too**\n- [ ]\n- [y] no\n- [ ]none",
    "1. [ ] numbered\n2. [x] tasks\n\n   loose",
    "* a\n  * b\n    * c\n      1. d\n      2. e\n* f",
    "3. three\n4. four\n\n   para\n5. five",
    "- loose\n\n- list\n\n- here",
    "- tight\n- list\n\nparagraph\n\n- other\n+ marker\n1) paren\n2) paren",
    "1. one\n\n```py\nx = 1\n```\n\n2. two\n   ```\n   inside\n   ```",
    "- a\n\n      code in item\n- > quote\n  > more",
    "Intro:\n- no blank\n- before\n1. not\n2. this",
    "-\n- b\n-   c",
    "- item\nlazy line\n- next\n\n      indented",
]
BLOCKS = [
    "# One\n## Two ##\n### 三\n#hashtag\n\nSetext\n======\nTwo\nlines\n---\n\n***\n___",
    "para\n#\nmore\n#hash more",
    "> quote\n> > nested\nlazy\n\n> new\n\n>no space",
    (
        "```python title=\"x\"\nprint('<b>')\n```\n\n~~~\ntilde ```"
        " inside\n~~~\n\n````md\n```\nin\n```\n````"
    ),
    "before\n```js\nunclosed {\n  **x** $y$ [z]\n",
    "- list\n  ```sh\n  echo $HOME\n  ```\n- next",
    "    indented code\n\n    more\n\ntext\n    lazy",
    "line one\nline two  \nhard\\\nback \\\\ slash",
    "&amp; &copy; &#35; &#x22; &nope; \\* \\_ \\` \\# &lt;b&gt; \\[1\\] \\(",
    (
        "<div>html</div>\n\n<!-- comment -->\n\n<details>\n<summary>S</summary>\n\ntext"
        " **b**\n\n</details>"
    ),
    "text <b>bold</b> <img src=x onerror=alert(1)> <br> a < b > c",
    "مرحبا **بالعالم** https://example.com/\u0645؟\n\n- שלום *עולם*\n\nabc אבג",
    "a" * 3000 + " **b** " + "字" * 2000,
    "> " * 8 + "deep\n\n" + "- " * 7 + "deep",
    "- " * 25 + "too deep\n",
    "> " * 30 + "too deep\n\nafter **it**",
    "`code` ``co`de`` ` a ` `unclosed\n\n`multi\nline`",
    "\u3000\u3000中文缩进。\n\n第二段　空格",
    "",
    "\n\n  \n",
    "para one\r\npara one b\r\n\r\n- crlf\rcr",
]
LINKS = [
    "请看https://example.com/a。谢谢",
    "（https://example.com）「https://example.com/b」『https://e.com』【https://e.com/?a=1&b=2】",
    (
        "https://en.wikipedia.org/wiki/A_(b) (https://en.wikipedia.org/wiki/A_(b)) (see"
        " https://a.example/b)."
    ),
    "访问https://example.com谢谢，ดูhttps://example.comครับ https://example.com는",
    "**https://a.example** *https://a.example* ~~https://a.example/x~~ `https://a.example`",
    "**见https://a.example/**：正文 “https://a.example” ‘https://b.example’",
    '<https://a.example/?q=*x*> [t](https://b.example "T") [https://c.example](https://d.example)',
    "https://a.example/_x_/a_b*c*d~e http://[::1]:8000/x http:// https://",
    "xhttps://no.example HTTPS://YES.example/A ftp://no.example www.no.example me@no.example",
    "https://a.example/{id}/[x] https://de.example/wiki/Zürich, https://ru.example/Привет!",
    (
        "[a [b](https://b.example) c](https://a.example) ![img](https://i.example/x.png)"
        " [x](/relative)"
    ),
    "[text](https://a.example/very/long",
    "[text]( https://a.example 'title' ) [](https://e.example)",
    "https://a.example/path?x=1#frag... https://a.example! https://a.example/a,b;c: end",
    "|https://a.example|b|\n|---|---|\n|https://b.example/|c|",
    (
        "[![build](https://i.example/c.svg)](https://l.example) [![](https://i.example/d.svg)][r]"
        " end\n\n[r]: https://r.example/"
    ),
    (
        "[a <https://b.example> **![i *j*](https://k.example)** c](https://d.example)"
        " <https://e.example> ![]()"
    ),
]
MATH = [
    "Inline $x^2 + y_1$ and $\\alpha$ 设$x$为 \\(a*b*c\\) and \\( \\frac{1}{2} \\).",
    "It costs $5 and $10. US$5, $20/month or the other 30$. $HOME/$USER and $PATH.",
    "$$\n\\int_0^1 x\\,dx\n+ 1\n- 2\n$$\n\nText\n$$\nE = mc^2 $$\nafter",
    "\\[\n\\begin{aligned}\na &= b \\\\\nc &= d\n\\end{aligned}\n\\]",
    "so \\[ x^2 \\] holds, $$y = 1$$ too, \\[1\\] and \\[link\\] not, $$ and $$ neither",
    "`$x$` and ```$y$``` and \\$5 and $\\$5$",
    "$$\nunclosed at the end\n_a_ *b*",
    "text\n$$\nno formula\n\nbecause of the blank line $$",
    "- item $a_1$\n\n  $$\n  x\n  $$\n- next\n  \\[\n  y\n  \\]",
    "> $$\n> z\n> $$",
    "| $a$ | b |\n|---|---|\n| $x^2$ | \\(y\\) |",
    "$\\unknowncommand{x}$ $\\frac{a}$ $$\\notacommand$$ ${$ $$",
    "$a$b $ a$ $a $ $$$x$$$ $\n$ $5元和10$",
    "$$ on a line with text\nand $$ more",
]
DOCUMENTS = [
    *EMPHASIS, *TABLES, *NOTES, *DEFINITIONS, *LISTS, *BLOCKS, *LINKS, *MATH,
]  # fmt: skip

WHOLE_ANSWER = "\n\n".join(
    [
        "# 回答：**注意：**正文",
        "日本語では**「A」**なので**「B」**。 It costs $5 and $10, 约~100元~200元.",
        LISTS[0],
        LISTS[2],
        TABLES[0],
        TABLES[1],
        MATH[0],
        MATH[2],
        MATH[3],
        "请看https://example.com/a。谢谢（https://example.com）",
        "> A quote with `code` and a [link][ref].",
        '```python\ndef f(x: int) -> str:\n    """Say."""\n    return f"{x} <b>"\n```',
        "A claim[^1] and a second[^two], an undefined one[^9].",
        "<details> and <!-- comments --> are text.",
        '[ref]: https://example.com/ref "Title"\n[unused]: https://example.com/unused',
        "[^1]: The first note.\n[^two]: The **second：**note.",
    ]
)
