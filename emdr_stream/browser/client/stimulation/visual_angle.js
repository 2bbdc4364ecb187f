/** In: how far the eye is from the screen and how large the screen's pixels are. Out: degrees of sight as pixels, and back. */

const { PI, atan, min, max, tan } = Math;

/** Assumed until somebody measures: an arm's length away, and CSS's own idea of a pixel, 96 to the inch. */
export const ASSUMED = Object.freeze({ distanceCm: 60, pixelsPerCm: 96 / 2.54 });

/** The long side of a bank card (ISO/IEC 7810 ID-1), which everybody has at hand to measure a screen with. */
export const CARD_CM = 8.56;

const DISTANCE_CM = [25, 200];
const PIXELS_PER_CM = [15, 120];

/** @param {number | undefined} value @param {number[]} range @param {number} otherwise */
const within = (value, [least, most], otherwise) =>
  value !== undefined && Number.isFinite(value) ? min(most, max(least, value)) : otherwise;

export class VisualAngle {
  /** @param {{distanceCm?: number, pixelsPerCm?: number}} [measured] out of range is brought into it, absent is assumed */
  constructor(measured = {}) {
    this.distanceCm = within(measured.distanceCm, DISTANCE_CM, ASSUMED.distanceCm);
    this.pixelsPerCm = within(measured.pixelsPerCm, PIXELS_PER_CM, ASSUMED.pixelsPerCm);
  }

  /** CSS pixels from the middle of the screen to a point that is seen `degrees` beside it; keeps the sign. */
  pixels(degrees) {
    return tan((degrees * PI) / 180) * this.distanceCm * this.pixelsPerCm;
  }

  /** Degrees of sight of a point `pixels` beside the middle. */
  degrees(pixels) {
    return (atan(pixels / (this.distanceCm * this.pixelsPerCm)) * 180) / PI;
  }

  /** @param {number} width @param {number} height of the canvas in CSS pixels */
  screen(width, height) {
    return { halfWidthDeg: this.degrees(width / 2), halfHeightDeg: this.degrees(height / 2) };
  }
}
