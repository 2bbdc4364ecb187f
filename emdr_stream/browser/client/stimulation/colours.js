/**
 * In: colours and when they are asked for. Out: colours that change gently, so that no sequence of wishes can flash.
 *
 * WCAG 2.3.1 counts as a flash a pair of opposing changes of luminance, and allows three in a second. Here a new colour
 * is begun once in 0.6 s at the earliest, and each begins one way of change at most: 0.83 flashes in a second at worst.
 */

const { max, min } = Math;

/** Seconds between the beginnings of two changes, and how long one change takes. */
export const LEAST_INTERVAL_S = 0.6;
export const CHANGE_S = 0.6;

const HEX = /^#(?:([0-9a-f])([0-9a-f])([0-9a-f])|([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2}))$/i;

/**
 * @param {unknown} text `#rgb` or `#rrggbb`
 * @returns {[number, number, number] | undefined} red, green, blue, 0 to 255
 */
export function colourOf(text) {
  const parts = typeof text === "string" ? HEX.exec(text) : null;
  if (!parts) return undefined;
  return parts[1] === undefined
    ? [parseInt(parts[4], 16), parseInt(parts[5], 16), parseInt(parts[6], 16)]
    : [parseInt(parts[1] + parts[1], 16), parseInt(parts[2] + parts[2], 16), parseInt(parts[3] + parts[3], 16)];
}

/** A colour that `withinLimits` has let pass. @param {string} text */
export const shown = (text) => /** @type {[number, number, number]} */ (colourOf(text));

/** Relative luminance of WCAG 2, 0 to 1. @param {readonly number[]} rgb 0 to 255 */
export function luminance(rgb) {
  const [r, g, b] = rgb.map((byte) => {
    const part = byte / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** Contrast of WCAG 2, 1 to 21, of two colours that are known to be some. @param {string} one @param {string} other */
export function contrast(one, other) {
  const [a, b] = [luminance(shown(one)), luminance(shown(other))];
  return (max(a, b) + 0.05) / (min(a, b) + 0.05);
}

/** A list of numbers (a colour, an opacity) that follows what is asked of it, gently and seldom. */
export class Fade {
  /** @param {readonly number[]} values what is shown from the start */
  constructor(values) {
    this.from = this.goal = this.wish = [...values];
    this.begunAt = -Infinity;
  }

  /** @param {readonly number[]} values */
  ask(values) {
    this.wish = [...values];
  }

  /** @param {number} time seconds, never less than the last one @returns {number[]} what to show then */
  at(time) {
    const shown = this.#shown(time);
    if (time - this.begunAt >= LEAST_INTERVAL_S && this.wish.some((value, n) => value !== this.goal[n])) {
      this.from = shown;
      this.goal = this.wish;
      this.begunAt = time;
    }
    return shown;
  }

  #shown(time) {
    const part = min(1, max(0, (time - this.begunAt) / CHANGE_S));
    return this.goal.map((value, n) => this.from[n] + (value - this.from[n]) * part);
  }
}
