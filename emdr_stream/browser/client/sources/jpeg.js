/** In: a picture of the camera. Out: a baseline JPEG of a size that the service takes; used in the worker and without. */

/** Below this a face is hardly read. */
const LEAST = [320, 240];
/** Tried one after the other while the picture is too large for a message. */
const QUALITIES = [1, 0.75, 0.5];

/**
 * The size to send, with the picture's own shape: as near to what is wanted as limits and camera allow.
 * @param {[number, number]} size of the camera @param {[number, number]} wanted @param {[number, number]} most
 * @returns {[number, number]}
 */
export function fit([width, height], wanted, most) {
  const allowed = Math.min(1, most[0] / width, most[1] / height);
  const asked = Math.min(wanted[0] / width, wanted[1] / height);
  const needed = Math.max(LEAST[0] / width, LEAST[1] / height);
  const scale = Math.min(allowed, Math.max(asked, needed));
  return [Math.max(1, Math.floor(width * scale)), Math.max(1, Math.floor(height * scale))];
}

/**
 * @param {any} canvas an OffscreenCanvas or a canvas of the page; used again for the next picture
 * @param {CanvasImageSource} picture
 * @param {{size: [number, number], quality: number, mostBytes: number}} wish
 * @returns {Promise<Uint8Array<ArrayBuffer>>} throws when this browser makes no such JPEG
 */
export async function encodeJpeg(canvas, picture, { size, quality, mostBytes }) {
  const [width, height] = size;
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  canvas.getContext("2d", { alpha: false }).drawImage(picture, 0, 0, width, height);
  let bytes = new Uint8Array();
  for (const part of QUALITIES) {
    bytes = new Uint8Array(await (await toBlob(canvas, quality * part)).arrayBuffer());
    if (bytes.length <= mostBytes) break;
  }
  if (bytes.length > mostBytes) throw new Error(`the picture has ${bytes.length} bytes, ${mostBytes} are allowed`);
  if (!isBaseline(bytes)) throw new Error("this browser makes no baseline JPEG");
  return bytes;
}

/** @param {any} canvas @param {number} quality @returns {Promise<Blob>} */
function toBlob(canvas, quality) {
  if (typeof canvas.convertToBlob === "function") return canvas.convertToBlob({ type: "image/jpeg", quality });
  return new Promise((done, failed) => {
    canvas.toBlob((/** @type {Blob | null} */ blob) => (blob ? done(blob) : failed(new Error("no JPEG"))), "image/jpeg", quality);
  });
}

/**
 * Whether the first frame header is that of a baseline JPEG (SOF0): others are not taken by the service.
 * @param {Uint8Array} bytes
 */
export function isBaseline(bytes) {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return false;
  let at = 2;
  while (at + 4 <= bytes.length && bytes[at] === 0xff) {
    const marker = bytes[at + 1];
    const isFrame = marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
    if (isFrame) return marker === 0xc0;
    at += 2 + ((bytes[at + 2] << 8) | bytes[at + 3]);
  }
  return false;
}
