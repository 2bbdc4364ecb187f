// The library's MessagePack against what Python's packer makes, and against what nobody should send.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { codecNamed } from "../../emdr_stream/browser/client/codec.js";
import { decode, encode, MsgpackError } from "../../emdr_stream/browser/client/msgpack.js";

const vectors = JSON.parse(readFileSync(new URL("vectors.json", import.meta.url), "utf-8"));
const bytes = (hex) => new Uint8Array(Buffer.from(hex, "hex"));
const hex = (data) => Buffer.from(data).toString("hex");

test("integers are packed as Python packs them, and read back: numbers where a double holds them, BigInt beyond", () => {
  for (const { value, packed } of vectors.integers) {
    const exact = BigInt(value);
    const expected = Number.isSafeInteger(Number(exact)) ? Number(exact) : exact;
    assert.equal(hex(encode(expected)), packed, value);
    assert.equal(hex(encode(exact)), packed, `${value} as BigInt`);
    assert.equal(decode(bytes(packed)), expected, value);
  }
});

test("floats keep every bit, single ones are read, and NaN and infinity stay what they are", () => {
  for (const { value, packed } of [...vectors.floats]) {
    assert.equal(decode(bytes(packed)), value);
    // A whole number has the shorter form of an integer: the service reads either.
    assert.equal(decode(encode(value)), value);
    if (!Number.isSafeInteger(value)) assert.equal(hex(encode(value)), packed);
  }
  for (const { value, packed } of vectors.singles) assert.equal(decode(bytes(packed)), value);
  for (const { value, packed } of vectors.odd_floats) {
    const expected = { inf: Infinity, "-inf": -Infinity, nan: NaN }[value];
    assert.equal(hex(encode(expected)), packed);
    assert.ok(Object.is(decode(bytes(packed)), expected));
  }
  assert.ok(Object.is(decode(encode(-0)), -0));
});

test("texts, bytes, lists and maps are packed as Python packs them, and read back", () => {
  for (const { value, packed } of [...vectors.texts, ...vectors.values]) {
    if (value !== null && typeof value === "object" && Object.hasOwn(value, "__proto__")) continue;
    assert.equal(hex(encode(value)), packed);
    assert.deepEqual(decode(bytes(packed)), value);
  }
  for (const { value, packed } of vectors.bytes) {
    assert.equal(hex(encode(bytes(value))), packed);
    assert.equal(hex(decode(bytes(packed))), value);
  }
  const long = { text: "x".repeat(65_536), list: new Array(65_536).fill(0), bytes: new Uint8Array(65_536) };
  for (const [kind, head] of Object.entries(vectors.heads_of_long)) {
    const packed = encode(long[kind]);
    assert.equal(hex(packed.subarray(0, 5)), head.slice(0, 8) + hex(packed.subarray(4, 5)));
    assert.deepEqual(decode(packed), long[kind]);
  }
});

test("random values come back as they went", () => {
  let seed = 7;
  const random = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
  const make = (depth) => {
    switch (Math.floor(random() * (depth > 4 ? 5 : 7))) {
      case 0: return Math.round((random() - 0.5) * 2 ** (random() * 53));
      case 1: return random() - 0.5;
      case 2: return String.fromCodePoint(...Array.from({ length: random() * 40 }, () => 32 + Math.floor(random() * 0x2000)));
      case 3: return [null, true, false][Math.floor(random() * 3)];
      case 4: return new Uint8Array(Array.from({ length: random() * 300 }, () => random() * 256));
      case 5: return Array.from({ length: random() * 20 }, () => make(depth + 1));
      default: return Object.fromEntries(Array.from({ length: random() * 20 }, (_, i) => [`k${i}`, make(depth + 1)]));
    }
  };
  for (let i = 0; i < 500; i += 1) {
    const value = make(0);
    assert.deepEqual(decode(encode(value)), value);
  }
});

test("a key whose value is undefined is left out, as in JSON", () => {
  assert.deepEqual(decode(encode({ a: undefined, b: null })), { b: null });
});

test("what is malformed is refused and never guessed at", () => {
  for (const packed of vectors.malformed) assert.throws(() => decode(bytes(packed)), MsgpackError, packed);
});

test("a key __proto__ is a key like any other", () => {
  const { packed } = vectors.values.find(({ value }) => value && Object.hasOwn(value, "__proto__"));
  const read = decode(bytes(packed));
  assert.equal(Object.getPrototypeOf(read), Object.prototype);
  assert.equal(read.polluted, undefined);
  assert.deepEqual(Object.keys(read), ["__proto__", "constructor"]);
});

test("every cut and every flipped byte is refused or read, and never takes long", () => {
  const message = encode({ type: "result", re: 7, list: [1, 2, { deep: "x".repeat(50) }], bytes: new Uint8Array(9) });
  for (let end = 0; end < message.length; end += 1) {
    assert.throws(() => decode(message.subarray(0, end)), MsgpackError);
  }
  for (let at = 0; at < message.length; at += 1) {
    for (const flip of [0x01, 0x40, 0x80, 0xff]) {
      const hostile = message.slice();
      hostile[at] ^= flip;
      try {
        decode(hostile);
      } catch (problem) {
        assert.ok(problem instanceof MsgpackError);
      }
    }
  }
});

test("what has no form in a message is refused where it is made", () => {
  const circle = {};
  circle.circle = circle;
  for (const value of [circle, () => {}, Symbol("x"), 2n ** 64n, -(2n ** 63n) - 1n, new Map([[1, 2]])]) {
    assert.throws(() => encode(value), MsgpackError);
  }
});

test("the JSON codec says bytes in base64 and no reading as null", () => {
  const { encode: say, decode: hear } = codecNamed("json");
  assert.equal(say({ type: "frame", image: new Uint8Array([0, 255, 16]), ts: NaN }), '{"type":"frame","image":"AP8Q","ts":null}');
  assert.deepEqual(hear('{"type":"done","re":1}'), { type: "done", re: 1 });
  assert.throws(() => hear(new ArrayBuffer(1)), TypeError);
  assert.throws(() => hear("[]"), TypeError);
  assert.throws(() => codecNamed("msgpack").decode("{}"), TypeError);
  assert.throws(() => codecNamed("toString"), TypeError);
});
