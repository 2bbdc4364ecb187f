/** In: digits as they are typed, with their times. Out: the number that they mean on a scale. Pure. */

/** A second digit within this time belongs to the first. */
export const TOGETHER_MS = 900;

export class TypedNumber {
  /** @param {number} least @param {number} most */
  constructor(least, most) {
    this.least = least;
    this.most = most;
    this.value = null;
    this.typedAt = -Infinity;
  }

  /** @param {string} key @param {number} now milliseconds @returns {number | null} null: this key changes nothing */
  type(key, now) {
    if (!/^[0-9]$/.test(key)) return null;
    const digit = Number(key);
    const joined = this.value !== null && now - this.typedAt <= TOGETHER_MS ? this.value * 10 + digit : digit;
    const value = joined <= this.most ? joined : digit;
    if (value < this.least || value > this.most) return null;
    this.value = value;
    this.typedAt = now;
    return value;
  }
}
