// The block that still grows is parsed again and again, and most of its lines are as they were.

// What is read alone by itself: no link or note that another line defines, nothing that a later
// step changes in place.
const PLAIN = /^[^[<\\&]{1,300}$/;
const MOST = 10_000;

/** Makes `parser` remember the tokens of the lines that it has read. */
export function rememberLines(parser) {
  const parse = parser.inline.parse.bind(parser.inline);
  let known = new Map();
  parser.inline.parse = (source, md, env, tokens) => {
    if (!PLAIN.test(source)) return parse(source, md, env, tokens);
    if (!known.has(source)) {
      if (known.size >= MOST) known = new Map();
      const read = [];
      parse(source, md, env, read);
      known.set(source, read);
    }
    for (const token of known.get(source)) tokens.push(token);
    return undefined;
  };
}
