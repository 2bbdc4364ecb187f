/** In: one curve's stretches, gaps, bands and marks with their ranges of time and value. Out: its picture on a canvas. */

/**
 * @typedef {object} Lane
 * @property {number} least @property {number} most the values at the lower and upper edge
 * @property {[number, number][][]} stretches
 * @property {{from: number, to: number, why: "missing" | "forming"}[]} unknown
 * @property {{from: number, to: number, tone: "own" | "warn" | "danger"}[]} bands by value
 * @property {{value: number, tone: "own" | "warn" | "danger"}[]} lines by value
 * @property {{from: number, to: number, tone: "set" | "pause"}[]} spans by time
 * @property {{ts: number, tone: string}[]} marks
 * @property {number | null} zero where the middle line is, null for none
 */

/** @typedef {Record<string, string>} Colours */

const HATCH = 7;

/** The colours of the page as it looks now. @param {Element} element @returns {Colours} */
export function coloursOf(element) {
  const style = getComputedStyle(element);
  const names = ["panel", "sunk", "ink", "muted", "line", "line-strong", "accent", "accent-soft", "warn", "warn-soft", "danger", "danger-soft", "old", "old-soft"];
  return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

/**
 * Fits a canvas to its place on the screen; returns its size in CSS pixels.
 * @param {HTMLCanvasElement} canvas
 */
export function fit(canvas) {
  const { width, height } = canvas.getBoundingClientRect();
  const scale = Math.max(1, globalThis.devicePixelRatio || 1);
  const wanted = [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
  if (canvas.width !== wanted[0] || canvas.height !== wanted[1]) [canvas.width, canvas.height] = wanted;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Lane} lane
 * @param {{from: number, to: number}} time
 * @param {Colours} colours
 * @param {boolean} isOld drawn as what was, not what is
 */
export function drawLane(canvas, lane, time, colours, isOld) {
  const { context, width, height } = fit(canvas);
  const x = (/** @type {number} */ ts) => ((ts - time.from) / (time.to - time.from)) * width;
  const y = (/** @type {number} */ value) => {
    const part = (Math.min(lane.most, Math.max(lane.least, value)) - lane.least) / (lane.most - lane.least);
    return height - 3 - part * (height - 6);
  };
  context.fillStyle = colours.panel;
  context.fillRect(0, 0, width, height);
  for (const span of lane.spans) {
    if (span.tone !== "set") continue;
    context.fillStyle = colours.sunk;
    context.fillRect(x(span.from), 0, Math.max(1, x(span.to) - x(span.from)), height);
  }
  for (const band of lane.bands) {
    context.fillStyle = isOld ? colours["old-soft"] : colours[band.tone === "own" ? "accent-soft" : `${band.tone}-soft`];
    context.fillRect(0, y(band.to), width, y(band.from) - y(band.to));
  }
  if (lane.zero !== null) {
    context.fillStyle = colours.line;
    context.fillRect(0, Math.round(y(lane.zero)), width, 1);
  }
  for (const line of lane.lines) {
    context.strokeStyle = isOld ? colours.old : colours[line.tone === "own" ? "accent" : line.tone];
    dashed(context, y(line.value), width, line.tone);
  }
  for (const gap of lane.unknown) hatch(context, x(gap.from), x(gap.to), height, colours, gap.why);
  for (const mark of lane.marks) {
    context.fillStyle = isOld ? colours.old : mark.tone === "alert" ? colours.danger : colours.muted;
    context.fillRect(x(mark.ts) - 0.75, 0, 1.5, height);
  }
  for (const span of lane.spans) {
    if (span.tone === "pause") pauseBar(context, x(span.from), x(span.to), height, isOld ? colours.old : colours.danger);
  }
  curve(context, lane.stretches, x, y, isOld ? colours.old : colours.ink);
  context.strokeStyle = colours.line;
  context.lineWidth = 1;
  context.strokeRect(0.5, 0.5, width - 1, height - 1);
}

/** @param {CanvasRenderingContext2D} context @param {[number, number][][]} stretches @param {(v: number) => number} x @param {(v: number) => number} y @param {string} colour */
function curve(context, stretches, x, y, colour) {
  context.strokeStyle = context.fillStyle = colour;
  context.lineWidth = 1.75;
  context.lineJoin = "round";
  for (const stretch of stretches) {
    const [ts, value] = stretch[0];
    if (stretch.length === 1) {
      context.fillRect(x(ts) - 1, y(value) - 1, 2, 2);
      continue;
    }
    context.beginPath();
    context.moveTo(x(ts), y(value));
    for (const [nextTs, nextValue] of stretch) context.lineTo(x(nextTs), y(nextValue));
    context.stroke();
  }
}

/** A pause is a barred edge below the curve: no shade that could be taken for a threshold's. @param {CanvasRenderingContext2D} context @param {number} from @param {number} to @param {number} height @param {string} colour */
export function pauseBar(context, from, to, height, colour) {
  context.fillStyle = colour;
  const end = Math.max(from + 2, to);
  for (let at = from; at < end; at += 4) context.fillRect(at, height - 6, Math.min(2.5, end - at), 5);
}

/** The person's own level is dotted, a threshold is dashed: told apart without colour. @param {CanvasRenderingContext2D} context @param {number} at @param {number} width @param {string} tone */
function dashed(context, at, width, tone) {
  context.save();
  context.lineWidth = tone === "danger" ? 1.5 : 1;
  context.setLineDash(tone === "own" ? [2, 3] : tone === "warn" ? [6, 4] : [10, 3]);
  context.beginPath();
  context.moveTo(0, at);
  context.lineTo(width, at);
  context.stroke();
  context.restore();
}

/**
 * Hatching where nothing is known: one way for what was not seen, crossed lines while the baseline forms.
 * @param {CanvasRenderingContext2D} context @param {number} from @param {number} to @param {number} height @param {Colours} colours @param {string} why
 */
export function hatch(context, from, to, height, colours, why) {
  if (to - from < 0.5) return;
  context.save();
  context.beginPath();
  context.rect(from, 0, to - from, height);
  context.clip();
  context.fillStyle = colours["old-soft"];
  context.fillRect(from, 0, to - from, height);
  context.strokeStyle = colours["line-strong"];
  context.lineWidth = 1;
  context.beginPath();
  // Lines are at fixed places of the canvas, so that they do not crawl as time goes on.
  const first = Math.floor((from - height) / HATCH) * HATCH;
  for (let at = first; at < to; at += HATCH) {
    context.moveTo(at, height);
    context.lineTo(at + height, 0);
    if (why === "forming") {
      context.moveTo(at, 0);
      context.lineTo(at + height, height);
    }
  }
  context.stroke();
  context.restore();
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {{from: number, to: number}} time
 * @param {Colours} colours
 * @param {string} font
 * @param {(ts: number) => string} label
 */
export function drawAxis(canvas, time, colours, font, label) {
  const { context, width, height } = fit(canvas);
  const step = tickStep(time.to - time.from, Math.max(2, Math.floor(width / 80)));
  context.font = `12px ${font}`;
  context.fillStyle = colours.muted;
  context.strokeStyle = colours["line-strong"];
  context.textBaseline = "bottom";
  for (let ts = Math.ceil(time.from / step) * step; ts <= time.to; ts += step) {
    const x = ((ts - time.from) / (time.to - time.from)) * width;
    context.beginPath();
    context.moveTo(x + 0.5, 0);
    context.lineTo(x + 0.5, 5);
    context.stroke();
    const text = label(ts);
    const wide = context.measureText(text).width;
    context.fillText(text, Math.min(width - wide, Math.max(0, x - wide / 2)), height - 2);
  }
}

const STEPS_S = [5, 10, 15, 30, 60, 120, 300, 600];

/** A round step of time that gives at most so many ticks. @param {number} span milliseconds @param {number} most */
export function tickStep(span, most) {
  return (STEPS_S.find((seconds) => span / (seconds * 1_000) <= most) ?? 600) * 1_000;
}
