/** In: the name of a subprotocol. Out: how messages become what a WebSocket takes, and back. */

import { decode, encode } from "./msgpack.js";

/**
 * @typedef {object} Codec
 * @property {string} subprotocol
 * @property {(message: object) => (Uint8Array<ArrayBuffer> | string)} encode
 * @property {(data: any) => Record<string, any>} decode Throws for what is no message: a map with `type`.
 */

/** @type {Record<string, Codec>} */
const CODECS = {
  msgpack: { subprotocol: "emdr.v1.msgpack", encode, decode: (data) => checked(decode(binary(data))) },
  json: { subprotocol: "emdr.v1.json", encode: toText, decode: (data) => checked(JSON.parse(text(data))) },
};

/**
 * @param {string} name `msgpack` or `json`
 * @returns {Codec}
 */
export function codecNamed(name) {
  const codec = Object.hasOwn(CODECS, name) ? CODECS[name] : undefined;
  if (!codec) throw new TypeError(`codec: "${name}" is not known, take "msgpack" or "json"`);
  return codec;
}

/** @param {object} message bytes become base64; NaN and infinity become null: no reading */
function toText(message) {
  return JSON.stringify(message, (_key, value) => (value instanceof Uint8Array ? base64(value) : value));
}

/** @param {Uint8Array} bytes */
function base64(bytes) {
  let characters = "";
  for (let at = 0; at < bytes.length; at += 0x8000) {
    characters += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  }
  return btoa(characters);
}

/** @param {any} data */
function binary(data) {
  if (data instanceof ArrayBuffer || data instanceof Uint8Array) return data;
  throw new TypeError("a text came where bytes were agreed");
}

/** @param {any} data */
function text(data) {
  if (typeof data === "string") return data;
  throw new TypeError("bytes came where text was agreed");
}

/** @param {any} message */
function checked(message) {
  if (message === null || typeof message !== "object" || typeof message.type !== "string") {
    throw new TypeError("a message is a map with `type`");
  }
  return message;
}
