/**
 * In: plain values. Out: MessagePack bytes, and back; what the protocol needs of the specification, nothing else.
 *
 * Whole numbers that a double holds exactly are numbers, larger ones BigInt; other numbers travel as float64. Bytes are
 * Uint8Array. Extension types are refused, as the service refuses them. Reading is bounded: nothing is made for an
 * element or a byte that is not there, whatever length is told, and nesting ends at DEEPEST.
 */

const DEEPEST = 64;
const LARGEST = 16 * 1024 * 1024;
const TEXT_IN = new TextEncoder();
const TEXT_OUT = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Bytes that are no message, or a value that has no form in one. */
export class MsgpackError extends Error {
  /** @param {string} message */
  constructor(message) {
    super(message);
    this.name = "MsgpackError";
  }
}

/**
 * @param {unknown} value null, boolean, number, bigint, string, Uint8Array, ArrayBuffer, array, Map or plain object;
 *   keys whose value is undefined are left out.
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function encode(value) {
  const writer = new Writer();
  writer.write(value, 0);
  return writer.taken();
}

class Writer {
  #bytes = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  #end = 0;

  taken() {
    return this.#bytes.slice(0, this.#end);
  }

  /**
   * @param {unknown} value
   * @param {number} depth
   */
  write(value, depth) {
    if (depth > DEEPEST) throw new MsgpackError(`nested deeper than ${DEEPEST}, or within itself`);
    switch (typeof value) {
      case "string": return this.#text(value);
      case "number": return this.#number(value);
      case "boolean": return this.#byte(value ? 0xc3 : 0xc2);
      case "bigint": return this.#big(value);
      case "undefined": return this.#byte(0xc0);
      case "object": return this.#object(value, depth);
      default: throw new MsgpackError(`a ${typeof value} has no form in a message`);
    }
  }

  /**
   * @param {any} value
   * @param {number} depth
   */
  #object(value, depth) {
    if (value === null) return this.#byte(0xc0);
    if (value instanceof Uint8Array) return this.#binary(value);
    if (value instanceof ArrayBuffer) return this.#binary(new Uint8Array(value));
    if (Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView))) {
      const list = /** @type {ArrayLike<unknown>} */ (/** @type {unknown} */ (value));
      this.#head(list.length, 0x90, 15, 0, 0xdc, 0xdd);
      for (let i = 0; i < list.length; i += 1) this.write(list[i], depth + 1);
      return undefined;
    }
    const pairs = value instanceof Map ? [...value] : Object.entries(value).filter(([, part]) => part !== undefined);
    this.#head(pairs.length, 0x80, 15, 0, 0xde, 0xdf);
    for (const [key, part] of pairs) {
      if (typeof key !== "string") throw new MsgpackError("a map's keys are texts");
      this.#text(key);
      this.write(part, depth + 1);
    }
    return undefined;
  }

  /** @param {number} value */
  #number(value) {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
      const at = this.#room(9);
      this.#bytes[at] = 0xcb;
      this.#view.setFloat64(at + 1, value);
    } else if (value >= 0) {
      this.#unsigned(value);
    } else {
      this.#negative(value);
    }
  }

  /** @param {number} value */
  #unsigned(value) {
    if (value < 0x80) return this.#byte(value);
    if (value < 0x1_0000_0000) return this.#head(value, 0, -1, 0xcc, 0xcd, 0xce);
    return this.#big(BigInt(value));
  }

  /** @param {number} value */
  #negative(value) {
    if (value >= -0x20) return this.#byte(value & 0xff);
    if (value < -0x8000_0000) return this.#big(BigInt(value));
    const size = value >= -0x80 ? 1 : value >= -0x8000 ? 2 : 4;
    const at = this.#room(1 + size);
    this.#bytes[at] = size === 1 ? 0xd0 : size === 2 ? 0xd1 : 0xd2;
    if (size === 1) this.#view.setInt8(at + 1, value);
    else if (size === 2) this.#view.setInt16(at + 1, value);
    else this.#view.setInt32(at + 1, value);
    return undefined;
  }

  /** @param {bigint} value */
  #big(value) {
    if (value >= -0x8000_0000n && value <= 0xffff_ffffn) return this.#number(Number(value));
    if (value < -(1n << 63n) || value >= 1n << 64n) throw new MsgpackError("an integer of more than 64 bits");
    const at = this.#room(9);
    this.#bytes[at] = value < 0n ? 0xd3 : 0xcf;
    this.#view.setBigUint64(at + 1, BigInt.asUintN(64, value));
    return undefined;
  }

  /** @param {string} value */
  #text(value) {
    const bytes = TEXT_IN.encode(value);
    this.#head(bytes.length, 0xa0, 31, 0xd9, 0xda, 0xdb);
    this.#raw(bytes);
  }

  /** @param {Uint8Array} bytes */
  #binary(bytes) {
    this.#head(bytes.length, 0, -1, 0xc4, 0xc5, 0xc6);
    this.#raw(bytes);
  }

  /**
   * A length in the shortest of its forms. `most`: what the short form `short` holds, -1 without one; 0 for a form
   * that the type has not.
   * @param {number} length @param {number} short @param {number} most @param {number} one @param {number} two
   * @param {number} four
   */
  #head(length, short, most, one, two, four) {
    if (length <= most) return this.#byte(short | length);
    const size = one && length < 0x100 ? 1 : length < 0x1_0000 ? 2 : 4;
    const at = this.#room(1 + size);
    this.#bytes[at] = size === 1 ? one : size === 2 ? two : four;
    if (size === 1) this.#view.setUint8(at + 1, length);
    else if (size === 2) this.#view.setUint16(at + 1, length);
    else this.#view.setUint32(at + 1, length);
    return undefined;
  }

  /** @param {number} value */
  #byte(value) {
    const at = this.#room(1); // first: it may move the bytes
    this.#bytes[at] = value;
  }

  /** @param {Uint8Array} bytes */
  #raw(bytes) {
    const at = this.#room(bytes.length);
    this.#bytes.set(bytes, at);
  }

  /**
   * Where `size` new bytes begin.
   * @param {number} size
   */
  #room(size) {
    const start = this.#end;
    this.#end += size;
    if (this.#end > LARGEST) throw new MsgpackError(`a message of more than ${LARGEST} bytes`);
    if (this.#end > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#end, this.#bytes.length * 2));
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return start;
  }
}

/**
 * @param {ArrayBuffer | Uint8Array} data exactly one value
 * @returns {any} maps become plain objects, which have no other key than the message's
 */
export function decode(data) {
  const bytes = data instanceof Uint8Array ? data : new Uint8Array(data);
  if (bytes.length > LARGEST) throw new MsgpackError(`a message of more than ${LARGEST} bytes`);
  const reader = new Reader(bytes);
  const value = reader.read(0);
  if (reader.left) throw new MsgpackError(`${reader.left} bytes after the message`);
  return value;
}

class Reader {
  #bytes;
  #view;
  #at = 0;

  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left() {
    return this.#bytes.length - this.#at;
  }

  /**
   * @param {number} depth
   * @returns {any}
   */
  read(depth) {
    const kind = this.#bytes[this.#next(1)];
    if (kind < 0x80) return kind;
    if (kind >= 0xe0) return kind - 0x100;
    if (kind < 0x90) return this.#map(kind & 15, depth);
    if (kind < 0xa0) return this.#list(kind & 15, depth);
    if (kind < 0xc0) return this.#text(kind & 31);
    const known = this.#long(kind, depth);
    if (known === undefined) throw new MsgpackError(`a value of kind 0x${kind.toString(16)} is no part of the protocol`);
    return known;
  }

  /**
   * @param {number} kind @param {number} depth
   * @returns {any} undefined for extension types and what the specification never uses
   */
  #long(kind, depth) {
    switch (kind) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xc4: case 0xc5: case 0xc6: return this.#binary(this.#unsigned(1 << (kind - 0xc4)));
      case 0xca: return this.#view.getFloat32(this.#next(4));
      case 0xcb: return this.#view.getFloat64(this.#next(8));
      case 0xcc: case 0xcd: case 0xce: return this.#unsigned(1 << (kind - 0xcc));
      case 0xcf: return narrow(this.#view.getBigUint64(this.#next(8)));
      case 0xd0: return this.#view.getInt8(this.#next(1));
      case 0xd1: return this.#view.getInt16(this.#next(2));
      case 0xd2: return this.#view.getInt32(this.#next(4));
      case 0xd3: return narrow(this.#view.getBigInt64(this.#next(8)));
      case 0xd9: case 0xda: case 0xdb: return this.#text(this.#unsigned(1 << (kind - 0xd9)));
      case 0xdc: case 0xdd: return this.#list(this.#unsigned(2 << (kind - 0xdc)), depth);
      case 0xde: case 0xdf: return this.#map(this.#unsigned(2 << (kind - 0xde)), depth);
      default: return undefined;
    }
  }

  /** @param {number} size 1, 2 or 4 bytes */
  #unsigned(size) {
    const at = this.#next(size);
    if (size === 1) return this.#view.getUint8(at);
    return size === 2 ? this.#view.getUint16(at) : this.#view.getUint32(at);
  }

  /** @param {number} size */
  #text(size) {
    const at = this.#next(size);
    try {
      return TEXT_OUT.decode(this.#bytes.subarray(at, at + size));
    } catch {
      throw new MsgpackError("a text that is not UTF-8");
    }
  }

  /** @param {number} size */
  #binary(size) {
    const at = this.#next(size);
    return this.#bytes.slice(at, at + size);
  }

  /** @param {number} length @param {number} depth */
  #list(length, depth) {
    this.#enter(depth);
    const list = [];
    for (let i = 0; i < length; i += 1) list.push(this.read(depth + 1));
    return list;
  }

  /** @param {number} length @param {number} depth */
  #map(length, depth) {
    this.#enter(depth);
    /** @type {Record<string, any>} */
    const map = {};
    for (let i = 0; i < length; i += 1) {
      const key = this.read(depth + 1);
      if (typeof key !== "string") throw new MsgpackError("a map's keys are texts");
      const value = this.read(depth + 1);
      // `map["__proto__"] = …` would give the object another prototype.
      if (key === "__proto__") Object.defineProperty(map, key, { value, enumerable: true, configurable: true, writable: true });
      else map[key] = value;
    }
    return map;
  }

  /** @param {number} depth */
  #enter(depth) {
    if (depth >= DEEPEST) throw new MsgpackError(`nested deeper than ${DEEPEST}`);
  }

  /**
   * Where the next `size` bytes begin.
   * @param {number} size
   */
  #next(size) {
    const start = this.#at;
    if (size > this.#bytes.length - start) throw new MsgpackError("the message ends too early");
    this.#at = start + size;
    return start;
  }
}

/**
 * @param {bigint} value
 * @returns {number | bigint} a number where one holds it exactly
 */
function narrow(value) {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
