/**
 * In: a phase in radians, one cycle (left-right-left) being 2 pi. Out: a place on the unit disc, x to the right, y down.
 *
 * Every path keeps three promises, and a test holds it to them: it never leaves the unit disc, x has the sign of
 * sin(phase) or is 0 (so phase pi/2 is the right end, -pi/2 the left end, and sound and touch need not know the path),
 * and it is continuous, its slope never above `peakRate` of it. There is no controlled evidence that any of them works
 * better than another; horizontal is the default because it is what most studies used.
 */

const { PI, SQRT1_2, abs, cos, floor, hypot, imul, max, sin } = Math;
const CYCLE = 2 * PI;
const SWING = (50 * PI) / 180; // the pendulum's greatest angle

/** A number in [0, 1) that depends on `seed` and `n` alone (the finaliser of MurmurHash3). */
function scattered(seed, n) {
  let h = imul(n ^ 0x9e3779b9, 0x85ebca6b) ^ seed;
  h = imul(h ^ (h >>> 16), 0x85ebca6b);
  h = imul(h ^ (h >>> 13), 0xc2b2ae35);
  return ((h ^ (h >>> 16)) >>> 0) / 2 ** 32;
}

/** Turning point `k` of the smooth random path: sides take turns, how far out and how high is chance. */
function turningPoint(seed, k) {
  const side = k % 2 === 0 ? 1 : -1;
  return [side * (0.55 + 0.28 * scattered(seed, 2 * k)), 1.1 * (scattered(seed, 2 * k + 1) - 0.5)];
}

/** @returns {[number, number]} */
function smoothRandom(phase, seed) {
  const turns = phase / PI - 0.5;
  const k = floor(turns);
  const way = 0.5 - 0.5 * cos(PI * (turns - k));
  const [x0, y0] = turningPoint(seed, k);
  const [x1, y1] = turningPoint(seed, k + 1);
  const reach = abs(x0) + (abs(x1) - abs(x0)) * way;
  return [reach * sin(phase), y0 + (y1 - y0) * way];
}

/** @returns {[number, number]} */
function pendulum(phase) {
  const angle = SWING * sin(phase);
  const length = 1 / hypot(sin(SWING), 1 - cos(SWING));
  return [length * sin(angle), length * (cos(angle) - 1)];
}

/** @returns {[number, number]} */
function spiral(phase) {
  const radius = 0.4 + 0.6 * (0.5 - 0.5 * cos(phase / 4));
  return [radius * sin(phase), -radius * cos(phase)];
}

const LISSAJOUS = 1 / hypot(1, 0.6);

/** @type {Record<string, (phase: number, seed: number) => [number, number]>} */
const SHAPES = {
  horizontal: (phase) => [sin(phase), 0],
  vertical: (phase) => [0, sin(phase)],
  diagonal_up: (phase) => [SQRT1_2 * sin(phase), -SQRT1_2 * sin(phase)],
  diagonal_down: (phase) => [SQRT1_2 * sin(phase), SQRT1_2 * sin(phase)],
  infinity: (phase) => [sin(phase), -0.35 * sin(2 * phase)],
  butterfly: (phase) => [0.92 * sin(phase), -1.1 * sin(phase) ** 2 * cos(phase)],
  circle: (phase) => [sin(phase), -cos(phase)],
  spiral,
  wave: (phase) => [0.97 * sin(phase), 0.22 * sin(3 * phase)],
  lissajous: (phase) => [LISSAJOUS * sin(phase), -0.6 * LISSAJOUS * sin(1.5 * phase)],
  pendulum,
  random: smoothRandom,
};

/** Names of other programs for the same paths. */
const ALIASES = { diagonal: "diagonal_up", figure_eight: "infinity", linear: "horizontal", smooth_random: "random" };

export const PATTERNS = Object.freeze(Object.keys(SHAPES));

/** The pattern's own name, or undefined if there is none of that name. */
export const patternNamed = (name) =>
  Object.hasOwn(SHAPES, name) ? name : Object.hasOwn(ALIASES, name) ? ALIASES[name] : undefined;

/** The place of `pattern` at `phase`; `seed` matters to the random one alone. */
export const place = (pattern, phase, seed = 1) => SHAPES[pattern](phase, seed);

// The random path differs with its seed, so its bounds are derived. Sideways: the reach, 0.83 at most, times the cosine,
// and the reach's own slope, half of 0.28 at most, times the sine. Up and down: half of 1.1 at most.
const RANDOM_BOUNDS = { rate: hypot(0.83, 0.14, 0.55), right: 0.83, down: 0.55 };
const SAMPLES = 4096;
const LONGEST_PERIOD = 4 * CYCLE; // that of the spiral
const measured = new Map();

function sampled(pattern) {
  const step = LONGEST_PERIOD / (SAMPLES * 4);
  let rate = 0, right = 0, down = 0;
  for (let n = 0, before = place(pattern, 0); n < SAMPLES * 4; n += 1) {
    const here = place(pattern, (n + 1) * step);
    rate = max(rate, hypot(here[0] - before[0], here[1] - before[1]) / step);
    right = max(right, abs(here[0]));
    down = max(down, abs(here[1]));
    before = here;
  }
  // A chord is never longer than its arc: the true peak is above the sampled one, here by less than one part in 10^5.
  return { rate: rate * (1 + 1e-5), right, down };
}

function measure(pattern) {
  if (!measured.has(pattern)) measured.set(pattern, pattern === "random" ? RANDOM_BOUNDS : sampled(pattern));
  return measured.get(pattern);
}

/** The greatest slope: length of path per radian of phase. A sine along a line has 1. */
export const peakRate = (pattern) => measure(pattern).rate;

/** How far the path goes to the sides and up or down, as parts of its amplitude. */
export const extent = (pattern) => ({ x: measure(pattern).right, y: measure(pattern).down });
