// In: a page with a canvas "light". Out: globalThis.lightProbe: where the light was at each frame, from the canvas's
// pixels; and at the newest stop key what had been shown, and how many frames showed it elsewhere after that.
"use strict";

(() => {
  const WIDTH = 320, HEIGHT = 200, KEPT = 4000, SMOOTH_MS = 100;
  // A pixel that is read covers four of the light's, and the field that grows when the controls go is read in other ones:
  // a light at rest was seen half a pixel from itself. A light in a set makes five and more from frame to frame.
  const MISREAD = 2;
  const small = new OffscreenCanvas(WIDTH, HEIGHT);
  const pen = small.getContext("2d", { willReadFrequently: true });
  pen.imageSmoothingQuality = "high";
  const frames = []; // {ms since 1970, x and y in pixels from the middle}
  let key = null, moves = 0, drawnAt = 0;

  /** The middle of what stands out from the corner's colour, in the canvas's pixels from its middle; null without anything. */
  function spot(canvas) {
    pen.drawImage(canvas, 0, 0, WIDTH, HEIGHT);
    const { data } = pen.getImageData(0, 0, WIDTH, HEIGHT);
    let sum = 0, x = 0, y = 0;
    for (let at = 0; at < data.length; at += 4) {
      const far = Math.abs(data[at] - data[0]) + Math.abs(data[at + 1] - data[1]) + Math.abs(data[at + 2] - data[2]);
      if (far < 60) continue;
      sum += far;
      x += far * ((at / 4) % WIDTH);
      y += far * Math.floor(at / 4 / WIDTH);
    }
    return sum === 0 ? null : { x: (x / sum / WIDTH - 0.5) * canvas.width, y: (y / sum / HEIGHT - 0.5) * canvas.height };
  }

  const isElsewhere = (a, b) => Math.hypot(a.x - b.x, a.y - b.y) > MISREAD;

  function look(at) {
    requestAnimationFrame(look);
    // What is on the canvas now was drawn in the frame before.
    const drawn = drawnAt;
    drawnAt = at;
    const canvas = document.getElementById("light");
    if (!canvas || canvas.width === 0 || canvas.closest("[hidden]")) return;
    const now = spot(canvas);
    if (now === null) return;
    const before = frames.at(-1);
    const moved = before !== undefined && isElsewhere(now, before);
    frames.push({ ms: performance.timeOrigin + performance.now(), drawn, ...now, moved });
    if (frames.length > KEPT) frames.shift();
    if (moved) moves += 1;
    if (key) key.after.push(now);
  }

  // Before the page's own listeners: the script runs before any of the page's.
  addEventListener("keydown", (event) => {
    if (event.key !== " " && event.key !== "Escape") return;
    const canvas = document.getElementById("light");
    if (!canvas?.width) return;
    key = { shown: spot(canvas), moving: frames.slice(-4).some(({ moved }) => moved), after: [] };
  }, { capture: true });

  globalThis.lightProbe = {
    moves: () => moves,
    forget: () => { moves = 0; frames.length = 0; },
    /** Where it was at the frame nearest to this time (ms since 1970), as a part of the widest; null without a frame near it. */
    reachAt(ms) {
      const apart = ({ drawn }) => Math.abs(performance.timeOrigin + drawn - ms);
      const nearest = frames.reduce((best, now) => (best === null || apart(now) < apart(best) ? now : best), null);
      if (nearest === null || apart(nearest) > SMOOTH_MS / 2) return null;
      return nearest.x / Math.max(...frames.map(({ x }) => Math.abs(x)));
    },
    lastMovedMs: () => frames.findLast(({ moved }) => moved)?.ms ?? 0,
    atKey: () => key && { moving: key.moving, frames: key.after.length, elsewhere: key.after.filter((now) => isElsewhere(now, key.shown)).length },
    /** Milliseconds between two crossings of the midline; only where no frame was late: the light waits for those. */
    halfPasses() {
      const found = [];
      let since = null;
      frames.forEach((now, n) => {
        const before = frames[n - 1];
        if (!before || now.drawn - before.drawn > SMOOTH_MS) since = null;
        else if ((before.x < 0) !== (now.x < 0)) {
          const crossed = before.drawn + (before.x / (before.x - now.x)) * (now.drawn - before.drawn);
          if (since !== null) found.push(crossed - since);
          since = crossed;
        }
      });
      return found;
    },
  };
  requestAnimationFrame(look);
})();
