/**
 * In: tones with their times, a background. Out: sound, ordered on the sound card's own clock, silent at once when told.
 *
 * The browser's part of sound; what to play and when is decided in sound_plan.js and noise.js.
 */

import { LIMITS } from "./limits.js";
import { noiseLoop } from "./noise.js";

const SILENCE_S = 0.008; // a cut without a click
const BACKGROUND_FADE_S = 0.4;
const TONE_S = 0.09;
const CLICK_S = 0.02;
const TONE_HZ = 396;
const CARRIER_HZ = 200; // of a binaural beat: low enough for both ears to tell the difference
const BACKGROUND_PART = 0.6; // of the volume: the background stays behind the tone

export class Sound {
  /** @param {AudioContext} context */
  constructor(context) {
    this.context = context;
    this.out = context.createGain();
    this.out.gain.value = 0;
    this.out.connect(context.destination);
    /** @type {Set<AudioScheduledSourceNode>} ordered and not yet over */
    this.ordered = new Set();
    this.background = null;
    this.click = null;
  }

  /** Loudness of everything, 0 to the cap; reached in a moment. */
  volume(wanted) {
    const volume = Math.min(LIMITS.volume[1], Math.max(0, wanted));
    const { currentTime } = this.context;
    this.out.gain.cancelScheduledValues(currentTime);
    this.out.gain.setTargetAtTime(volume, currentTime, 0.05);
  }

  /** @param {"tone" | "click"} kind @param {number} at seconds of the card @param {number} pan @param {number} loudness */
  tone(kind, at, pan, loudness) {
    const { context } = this;
    const start = Math.max(at, context.currentTime);
    const length = kind === "click" ? CLICK_S : TONE_S;
    const source = kind === "click" ? this.#clickSource() : this.#toneSource();
    const shape = context.createGain();
    shape.gain.setValueAtTime(0, start);
    shape.gain.linearRampToValueAtTime(loudness, start + 0.006);
    shape.gain.exponentialRampToValueAtTime(0.001, start + length);
    const side = context.createStereoPanner();
    side.pan.value = pan;
    source.connect(shape).connect(side).connect(this.out);
    source.start(start);
    source.stop(start + length);
    this.ordered.add(source);
    source.onended = () => {
      this.ordered.delete(source);
      side.disconnect();
    };
  }

  /** @param {string} ambient one of AMBIENTS @param {number} beatHz 0 for none */
  surround(ambient, beatHz) {
    const name = `${ambient} ${beatHz}`;
    if (this.background?.name === name) return;
    this.#fadeBackground();
    if (ambient === "off" && beatHz === 0) return;
    const gain = this.context.createGain();
    const now = this.context.currentTime;
    gain.gain.setValueAtTime(0, now);
    gain.gain.linearRampToValueAtTime(BACKGROUND_PART, now + BACKGROUND_FADE_S);
    gain.connect(this.out);
    const sources = [...(ambient === "off" ? [] : [this.#loop(ambient)]), ...(beatHz === 0 ? [] : this.#beat(beatHz))];
    for (const source of sources) {
      source.last.connect(gain);
      source.node.start();
    }
    this.background = { name, gain, nodes: sources.map(({ node }) => node) };
  }

  /** Nothing that was ordered is heard any more. */
  callOff() {
    for (const source of this.ordered) {
      source.onended = null;
      source.stop();
      source.disconnect();
    }
    this.ordered.clear();
  }

  /** Silence, now. */
  silence() {
    const { currentTime } = this.context;
    this.out.gain.cancelScheduledValues(currentTime);
    this.out.gain.setValueAtTime(this.out.gain.value, currentTime);
    this.out.gain.linearRampToValueAtTime(0, currentTime + SILENCE_S);
    this.callOff();
    this.#fadeBackground();
  }

  #fadeBackground() {
    if (!this.background) return;
    const { gain, nodes } = this.background;
    const now = this.context.currentTime;
    gain.gain.cancelScheduledValues(now);
    gain.gain.setTargetAtTime(0, now, BACKGROUND_FADE_S / 4);
    for (const node of nodes) node.stop(now + BACKGROUND_FADE_S);
    this.background = null;
  }

  #toneSource() {
    const source = this.context.createOscillator();
    source.type = "sine";
    source.frequency.value = TONE_HZ;
    return source;
  }

  #clickSource() {
    const { context } = this;
    if (!this.click) {
      const length = Math.ceil(CLICK_S * context.sampleRate);
      this.click = context.createBuffer(1, length, context.sampleRate);
      this.click.getChannelData(0).forEach((_, n, samples) => {
        samples[n] = Math.exp(-n / (0.002 * context.sampleRate)) * Math.sin((2 * Math.PI * 1200 * n) / context.sampleRate);
      });
    }
    return Object.assign(context.createBufferSource(), { buffer: this.click });
  }

  #loop(ambient) {
    const { context } = this;
    const samples = noiseLoop(ambient, context.sampleRate);
    const buffer = context.createBuffer(1, samples.length, context.sampleRate);
    buffer.getChannelData(0).set(samples);
    const node = Object.assign(context.createBufferSource(), { buffer, loop: true });
    return { node, last: node };
  }

  #beat(beatHz) {
    return [-1, 1].map((side) => {
      const node = this.context.createOscillator();
      node.frequency.value = CARRIER_HZ + (side * beatHz) / 2;
      const quiet = this.context.createGain();
      quiet.gain.value = 0.15;
      const ear = this.context.createStereoPanner();
      ear.pan.value = side;
      node.connect(quiet).connect(ear);
      return { node, last: ear };
    });
  }
}
