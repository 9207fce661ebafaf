// A worker that solves a challenge: finds the number that, put behind the salt, has the wanted
// SHA-256.
//
// SHA-256 is written out here because crypto.subtle is missing on plain http, which a site on a
// home network may have, and takes longer to be asked than to count. A worker knows no import map,
// so this file imports nothing.

const K = new Uint32Array(64);
const START = new Uint32Array(8);

// The constants are the first 32 bits of the fractions of the roots of the first primes (FIPS
// 180-4, 4.2.2 and 5.3.3).
function fill() {
  const fraction = (root) => ((root - Math.floor(root)) * 2 ** 32) | 0;
  for (let candidate = 2, found = 0; found < 64; candidate += 1) {
    if (!isPrime(candidate)) continue;
    if (found < 8) START[found] = fraction(Math.sqrt(candidate));
    K[found] = fraction(Math.cbrt(candidate));
    found += 1;
  }
}

function isPrime(number) {
  for (let divisor = 2; divisor * divisor <= number; divisor += 1) {
    if (number % divisor === 0) return false;
  }
  return true;
}

const W = new Uint32Array(64);

/** Takes the block of 64 bytes into the state of eight words. */
function compress(state, view) {
  for (let i = 0; i < 16; i += 1) W[i] = view.getUint32(i * 4);
  for (let i = 16; i < 64; i += 1) {
    const x = W[i - 15];
    const y = W[i - 2];
    const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
    const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
    W[i] = W[i - 16] + s0 + W[i - 7] + s1;
  }
  let [a, b, c, d, e, f, g, h] = state;
  for (let i = 0; i < 64; i += 1) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[i] + W[i]) | 0;
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + t1) | 0, c, b, a, (t1 + t2) | 0];
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
  state[4] += e;
  state[5] += f;
  state[6] += g;
  state[7] += h;
}

function sha256(text) {
  const bytes = new TextEncoder().encode(text);
  const padded = new Uint8Array(Math.ceil((bytes.length + 9) / 64) * 64);
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 4, bytes.length * 8);
  const state = START.slice();
  for (let at = 0; at < padded.length; at += 64) {
    compress(state, new DataView(padded.buffer, at, 64));
  }
  return state;
}

function solve({ challenge, salt, maxnumber }) {
  const wanted = challenge.match(/.{8}/g).map((word) => parseInt(word, 16));
  for (let number = 0; number <= maxnumber; number += 1) {
    const found = sha256(salt + number);
    if (found[0] === wanted[0] && wanted.every((word, index) => word === found[index])) {
      return number;
    }
  }
  return null;
}

fill();
addEventListener("message", ({ data }) => postMessage(solve(data)));
