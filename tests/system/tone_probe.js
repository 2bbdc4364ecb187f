// In: a page that makes tones. Out: globalThis.toneProbe: for each tone its side and when it is heard, and whether it was
// called off before.
"use strict";

(() => {
  const tones = [];
  const byNode = new WeakMap();
  let side = null;

  const makePanner = BaseAudioContext.prototype.createStereoPanner;
  BaseAudioContext.prototype.createStereoPanner = function () {
    side = makePanner.call(this);
    return side;
  };
  const { start } = OscillatorNode.prototype;
  OscillatorNode.prototype.start = function (at) {
    const { contextTime, performanceTime } = this.context.getOutputTimestamp();
    const heardMs = performance.timeOrigin + performanceTime + (at - contextTime) * 1000;
    const tone = { heardMs, pan: side?.pan.value ?? 0, calledOff: false };
    byNode.set(this, tone);
    tones.push(tone);
    return start.call(this, at);
  };
  const { stop } = AudioScheduledSourceNode.prototype;
  AudioScheduledSourceNode.prototype.stop = function (at) {
    // Its end is ordered with a time; to call it off there is none.
    if (at === undefined && byNode.has(this)) byNode.get(this).calledOff = true;
    return stop.call(this, at);
  };

  globalThis.toneProbe = {
    /** Those that were heard up to now. */
    heard: () => tones.filter(({ calledOff, heardMs }) => !calledOff && heardMs <= performance.timeOrigin + performance.now()),
    /** Those that are still to be heard. */
    ordered: () => tones.filter(({ calledOff, heardMs }) => !calledOff && heardMs > performance.timeOrigin + performance.now()).length,
  };
})();
