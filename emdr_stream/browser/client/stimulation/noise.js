/**
 * In: a kind of sound and a sample rate. Out: samples of it between -1 and 1, as a loop without a seam.
 *
 * All of it is computed here: no recording is shipped. Nothing of this is part of EMDR's evidence; people like it, or not.
 */

const { PI, cos, exp, floor, min, sin, sqrt } = Math;

export const LOOP_S = 6;
const SEAM_S = 0.5;
const LOUDNESS = 0.16; // root mean square: a level for a background

/** Evenly spread numbers in [-1, 1) from a seed (xorshift, 32 bits): the same sound each time, and in tests. */
function* scatter(seed) {
  for (let h = seed | 1; ; ) {
    h ^= h << 13;
    h ^= h >>> 17;
    h ^= h << 5;
    yield (h >>> 0) / 2 ** 31 - 1;
  }
}

const white = (source) => () => source.next().value;

/** Corners two octaves apart; each stage weighs less by the root of its corner, which sums up to 1/f between them. */
const PINK_CORNERS_HZ = [20, 80, 320, 1280, 5120, 20480];

/** Pink: about equal power in each octave. */
function pink(source, rate) {
  const stages = PINK_CORNERS_HZ.map((corner) => ({ next: low(white(source), corner, rate), weight: 1 / sqrt(corner) }));
  return () => stages.reduce((sum, { next, weight }) => sum + weight * next(), 0);
}

/** A first-order low pass at `corner` Hz of what `next` gives. */
function low(next, corner, rate) {
  const kept = exp((-2 * PI * corner) / rate);
  let level = 0;
  return () => (level = kept * level + (1 - kept) * next());
}

const high = (next, corner, rate) => {
  let heard = 0;
  const below = low(() => heard, corner, rate);
  return () => {
    heard = next();
    return heard - below();
  };
};

/** Rises and falls `turns` times in a loop, between `least` and 1, so that the loop closes on itself. */
const swelling = (next, turns, least, length) => {
  let n = 0;
  return () => {
    const swell = 0.5 - 0.5 * cos((2 * PI * turns * n++) / length);
    return next() * (least + (1 - least) * swell * swell);
  };
};

/** Single drops over a hiss: each rings for a few milliseconds at a pitch of its own. */
function drops(source, rate) {
  let age = Infinity, pitch = 0, size = 0;
  return () => {
    if (source.next().value > 1 - 60 / rate) {
      age = 0;
      pitch = 1800 + 1400 * source.next().value;
      size = 0.4 + 0.4 * source.next().value;
    }
    const seconds = age++ / rate;
    return seconds < 0.05 ? size * exp(-seconds / 0.008) * sin(2 * PI * pitch * seconds) : 0;
  };
}

const KINDS = {
  white_noise: (source) => white(source),
  pink_noise: (source, rate) => pink(source, rate),
  brown_noise: (source, rate) => high(low(white(source), 40, rate), 20, rate),
  rain: (source, rate) => {
    const hiss = high(low(white(source), 5000, rate), 700, rate), fall = drops(source, rate);
    return () => hiss() + 1.6 * fall();
  },
  waves: (source, rate, length) => swelling(low(pink(source, rate), 900, rate), 1, 0.12, length),
  wind: (source, rate, length) => swelling(high(low(pink(source, rate), 500, rate), 150, rate), 2, 0.3, length),
  stream: (source, rate, length) => {
    const body = high(low(white(source), 2200, rate), 350, rate);
    return swelling(body, 7, 0.6, length);
  },
};

/**
 * @param {string} kind one of AMBIENTS but `off` @param {number} rate samples a second
 * @returns {Float32Array} LOOP_S seconds: the end is faded into what came before the beginning
 */
export function noiseLoop(kind, rate, seed = 7) {
  const length = floor(LOOP_S * rate), seam = floor(SEAM_S * rate);
  const next = KINDS[kind](scatter(seed), rate, length);
  const lead = Float32Array.from({ length: seam }, next);
  const samples = Float32Array.from({ length }, next);
  for (let n = 0; n < seam; n += 1) {
    // Two pieces that know nothing of each other keep their power when their squares are faded, not they.
    const part = (n + 1) / (seam + 1), at = length - seam + n;
    samples[at] = samples[at] * sqrt(1 - part) + lead[n] * sqrt(part);
  }
  return levelled(samples);
}

function levelled(samples) {
  const mean = samples.reduce((sum, sample) => sum + sample, 0) / samples.length;
  const power = samples.reduce((sum, sample) => sum + (sample - mean) ** 2, 0) / samples.length;
  const gain = LOUDNESS / sqrt(power);
  return samples.map((sample) => min(1, Math.max(-1, (sample - mean) * gain)));
}
