/** In: a SessionConfig of the wire protocol, with what this engine can do beyond it. Out: the same in the engine's terms. */

/**
 * Fields of the protocol are the protocol's; the others are this engine's own and never travel.
 * @typedef {object} StimulationConfig
 * @property {string} [pattern_type] @property {number} [speed] Hz @property {number} [intensity] 0 to 1
 * @property {number} [duration] seconds of a set @property {{target?: string, background?: string}} [colors] `#rrggbb`
 * @property {{volume?: number, spatial_audio?: boolean, binaural_frequency?: number | null, asmr_type?: string | null}} [audio_config]
 * @property {number} [amplitude_deg] to each side @property {number} [size_deg] @property {string} [shape]
 * @property {string} [sound] @property {string} [ambient] @property {boolean} [touch] @property {string} [motion] @property {number | null} [passes]
 */

const SAME = {
  pattern_type: "pattern", speed: "speedHz", intensity: "intensity", duration: "seconds", amplitude_deg: "amplitudeDeg",
  size_deg: "sizeDeg", shape: "shape",
};
const OWN = { sound: "sound", ambient: "ambient", touch: "touch", motion: "motion" };

/**
 * An `audio_config` is a whole: what it leaves out has the protocol's default. Without any there is no sound.
 * @param {NonNullable<StimulationConfig["audio_config"]>} audio
 */
function sounds({ volume = 0.5, spatial_audio = true, binaural_frequency = null, asmr_type = null }) {
  return {
    sound: volume > 0 ? "tone" : "off",
    volume,
    spatial: spatial_audio,
    beatHz: binaural_frequency ?? 0,
    ambient: asmr_type ? asmr_type.trim().toLowerCase().replaceAll(/[\s-]+/g, "_") : "off",
  };
}

/** @param {StimulationConfig} config null and absent mean: as it is @returns {Partial<import("./limits.js").Stimulus>} */
export function wishOf(config) {
  /** @type {Record<string, unknown>} */
  const wish = config.audio_config ? sounds(config.audio_config) : {};
  for (const [from, to] of [...Object.entries(SAME), ...Object.entries(OWN)]) {
    if (config[from] !== undefined && config[from] !== null) wish[to] = config[from];
  }
  if (config.passes !== undefined) wish.passes = config.passes;
  if (config.colors?.target) wish.target = config.colors.target;
  if (config.colors?.background) wish.background = config.colors.background;
  return wish;
}
