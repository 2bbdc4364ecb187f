/** In: nothing. Out: a browser's surroundings whose time is the test's: frames, two clocks, a sound card, a canvas. */

import { createStimulation } from "../../emdr_stream/browser/client/stimulation/engine.js";

/** Numbers in [0, 1) that are the same in each run (mulberry32). */
export function chance(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

class Parameter {
  value = 0;
  calls = [];
}
for (const name of ["setValueAtTime", "linearRampToValueAtTime", "exponentialRampToValueAtTime", "setTargetAtTime", "cancelScheduledValues"]) {
  Parameter.prototype[name] = function record(value, at) {
    this.calls.push({ name, value, at });
    if (name !== "cancelScheduledValues") this.value = value;
  };
}

class Node {
  constructor(card, kind) {
    Object.assign(this, { card, kind, gain: new Parameter(), pan: new Parameter(), frequency: new Parameter() });
  }
  connect(next) {
    return next;
  }
  disconnect() {
    this.cut = true;
  }
  start(at = this.card.currentTime) {
    this.startsAt = at;
    this.card.started.push(this);
  }
  stop(at = this.card.currentTime) {
    this.stopsAt = at;
  }
}

/** A sound card: its clock runs `skew` faster than the processor's and moves in blocks; `latency` later it is heard. */
export class Card {
  state = "running";
  sampleRate = 48_000;
  started = [];
  destination = {};
  constructor(processor, { skew = 0, latency = 0.04, timestamps = true, since = 0 } = {}) {
    Object.assign(this, { processor, skew, outputLatency: latency, since });
    if (!timestamps) this.getOutputTimestamp = undefined;
  }
  trueTime(seconds = this.processor.seconds) {
    return (seconds - this.since) * (1 + this.skew);
  }
  get currentTime() {
    const block = 128 / this.sampleRate;
    return Math.floor(this.trueTime() / block) * block;
  }
  getOutputTimestamp() {
    // The pair is exact, but some milliseconds old, as a driver's is.
    const at = this.processor.seconds - 0.007;
    return { performanceTime: at * 1000, contextTime: this.trueTime(at - this.outputLatency) };
  }
  /** When, by the processor, the sample of card time `at` is heard. */
  heardAt(at) {
    return this.since + at / (1 + this.skew) + this.outputLatency;
  }
  createGain() { return new Node(this, "gain"); }
  createOscillator() { return new Node(this, "oscillator"); }
  createStereoPanner() { return new Node(this, "panner"); }
  createBufferSource() { return new Node(this, "buffer"); }
  createBuffer(_channels, length) {
    const samples = new Float32Array(length);
    return { getChannelData: () => samples, copyToChannel() {} };
  }
  async resume() { this.state = "running"; }
  async close() { this.state = "closed"; }
}

/** A canvas that remembers where the target was drawn, in pixels from its middle. */
export class Canvas {
  clientWidth = 1600;
  clientHeight = 900;
  width = 0;
  height = 0;
  drawn = [];
  getContext() {
    const canvas = this;
    return {
      setTransform() {}, fillRect() {}, beginPath() {}, stroke() {}, rect() {}, lineTo() {}, closePath() {}, fill() {},
      createRadialGradient: () => ({ addColorStop() {} }),
      arc(x, y) {
        canvas.drawn.push([x - canvas.clientWidth / 2, y - canvas.clientHeight / 2]);
      },
    };
  }
}

/** A page with an engine in it; `frames(n)` lets n frames pass. */
export function world({ audio = null, frameMs = 1000 / 60, ...options } = {}) {
  const processor = { seconds: 100 };
  const canvas = new Canvas();
  const card = audio ? new Card(processor, { since: 99.5, ...audio }) : null;
  const pulses = [];
  let next = null;
  const engine = createStimulation({
    canvas,
    now: () => processor.seconds * 1000,
    wall: () => 1_700_000_000_000 + Math.round(processor.seconds * 1000),
    frame: (callback) => { next = callback; return 1; },
    vibrate: (ms) => pulses.push({ ms, at: processor.seconds }),
    page: undefined,
    ...(card ? { audio: () => card } : {}),
    ...options,
  });
  const frame = (ms = frameMs) => {
    processor.seconds += ms / 1000;
    const callback = next;
    next = null;
    callback?.(processor.seconds * 1000);
  };
  const frames = (count, each = () => {}) => {
    for (let n = 0; n < count; n += 1) {
      frame();
      each();
    }
  };
  return { engine, canvas, card, pulses, processor, frame, frames, seconds: (s, each) => frames(Math.round((s * 1000) / frameMs), each) };
}
