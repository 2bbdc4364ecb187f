/** In: nothing. Out: the stimulation's public names, gathered. */

export { attach } from "./attach.js";
export { BREATHS, GROUNDING, breathAt, cardFor } from "./calming.js";
export { Stimulation, createStimulation } from "./engine.js";
export { AMBIENTS, DEFAULTS, LIMITS, MOTIONS, SHAPES, SOUNDS, peakSpeed, withinLimits } from "./limits.js";
export { motionChoice, prefersReducedMotion } from "./motion_choice.js";
export { PATTERNS } from "./paths.js";
export { bindStopKeys } from "./stop_key.js";
export { ASSUMED, CARD_CM, VisualAngle } from "./visual_angle.js";
