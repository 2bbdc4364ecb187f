/** In: where the target is, how it looks. Out: a picture on a canvas, drawn for the screen's own pixels. */

import { Fade, shown } from "./colours.js";

const { PI, SQRT1_2, cos, max, sin } = Math;
const GLOW = 1.9; // how far a soft edge reaches, in radii
const FAINTEST = 0.35; // of the target at intensity 0: it can still be followed

const css = ([r, g, b], opacity = 1) => `rgb(${r.toFixed(0)} ${g.toFixed(0)} ${b.toFixed(0)} / ${opacity.toFixed(3)})`;

/** `count` corners at `outer`, the first one on top, and as many between them at `inner`. */
function corners(path, count, x, y, outer, inner) {
  for (let n = 0; n < count * 2; n += 1) {
    const reach = n % 2 === 0 ? outer : inner;
    const angle = (PI * n) / count - PI / 2;
    path.lineTo(x + reach * cos(angle), y + reach * sin(angle));
  }
  path.closePath();
}

const OUTLINES = {
  circle: (path, x, y, r) => path.arc(x, y, r, 0, 2 * PI),
  ring: (path, x, y, r) => path.arc(x, y, r, 0, 2 * PI),
  square: (path, x, y, r) => path.rect(x - 0.85 * r, y - 0.85 * r, 1.7 * r, 1.7 * r),
  diamond: (path, x, y, r) => corners(path, 4, x, y, r, r * SQRT1_2),
  star: (path, x, y, r) => corners(path, 5, x, y, 1.15 * r, 0.5 * r),
};

export class Light {
  /** @param {HTMLCanvasElement} canvas @param {import("./limits.js").Stimulus} stimulus */
  constructor(canvas, stimulus) {
    this.canvas = canvas;
    this.pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { alpha: false }));
    this.target = new Fade([...shown(stimulus.target), this.#opacity(stimulus)]);
    this.background = new Fade(shown(stimulus.background));
  }

  #opacity({ intensity }) {
    return FAINTEST + (1 - FAINTEST) * intensity;
  }

  /** Width and height of what is drawn on, in CSS pixels; the canvas gets as many pixels as the screen has there. */
  fit() {
    const { canvas } = this;
    const scale = globalThis.devicePixelRatio || 1;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(height * scale);
    }
    this.pen.setTransform(scale, 0, 0, scale, 0, 0);
    return { width, height };
  }

  /**
   * @param {[number, number]} place degrees from the middle, y downwards @param {import("./limits.js").Stimulus} stimulus
   * @param {import("./visual_angle.js").VisualAngle} angle @param {number} time stimulus time: colours change with it
   */
  draw([xDeg, yDeg], stimulus, angle, time) {
    const { pen } = this;
    const { width, height } = this.fit();
    this.target.ask([...shown(stimulus.target), this.#opacity(stimulus)]);
    this.background.ask(shown(stimulus.background));
    pen.fillStyle = css(/** @type {any} */ (this.background.at(time)));
    pen.fillRect(0, 0, width, height);
    const [r, g, b, opacity] = this.target.at(time);
    const x = width / 2 + angle.pixels(xDeg), y = height / 2 + angle.pixels(yDeg);
    const radius = max(4, angle.pixels(stimulus.sizeDeg / 2));
    this.#glow(x, y, radius, [r, g, b], opacity);
    this.#shape(stimulus.shape, x, y, radius, css([r, g, b], opacity));
  }

  #glow(x, y, radius, rgb, opacity) {
    const { pen } = this;
    const soft = pen.createRadialGradient(x, y, 0.8 * radius, x, y, GLOW * radius);
    soft.addColorStop(0, css(rgb, 0.28 * opacity));
    soft.addColorStop(1, css(rgb, 0));
    pen.fillStyle = soft;
    pen.beginPath();
    pen.arc(x, y, GLOW * radius, 0, 2 * PI);
    pen.fill();
  }

  #shape(shape, x, y, radius, colour) {
    const { pen } = this;
    pen.beginPath();
    if (shape === "ring") {
      pen.strokeStyle = colour;
      pen.lineWidth = 0.35 * radius;
      OUTLINES.ring(pen, x, y, 0.825 * radius);
      pen.stroke();
      return;
    }
    pen.fillStyle = colour;
    OUTLINES[shape](pen, x, y, radius);
    pen.fill();
  }
}
