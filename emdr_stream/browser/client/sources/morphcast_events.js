/** In: an SDK event's name and payload. Out: the part of it that the service reads; undefined when there is none. */

/** @typedef {Record<string, any>} Detail */

const EMOTIONS = ["Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral"];
const MOST_FACES = 8;

/** @param {Detail} from @param {string[]} keys */
function only(from, keys) {
  /** @type {Detail} */
  const kept = {};
  for (const key of keys) if (from[key] !== undefined) kept[key] = from[key];
  return kept;
}

/** @param {unknown} value */
function isMap(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * The part of a module's `output`, which some versions leave out.
 * @param {string[]} keys
 * @returns {(detail: Detail) => Detail}
 */
function output(keys) {
  return (detail) => (isMap(detail.output) ? { output: only(detail.output, keys) } : only(detail, keys));
}

/** @type {(detail: Detail) => Detail} */
function detector(detail) {
  const rects = Array.isArray(detail.rects)
    ? detail.rects.slice(0, MOST_FACES).map((rect) => only(rect ?? {}, ["x", "y", "width", "height"]))
    : detail.rects;
  return { ...only(detail, ["status", "totalFaces"]), ...(rects === undefined ? {} : { rects }) };
}

/** @type {(detail: Detail) => Detail} */
function emotion(detail) {
  const inner = isMap(detail.output) ? detail.output : detail;
  const scores = isMap(inner.emotion) ? only(inner.emotion, EMOTIONS) : inner.emotion;
  return { output: scores === undefined ? {} : { emotion: scores } };
}

/** @type {(detail: Detail) => Detail} */
function arousalValence(detail) {
  const inner = isMap(detail.output) ? detail.output : detail;
  const both = (/** @type {Detail} */ from) => only(from, ["arousal", "valence"]);
  if (isMap(inner.arousalvalence)) return { output: { arousalvalence: both(inner.arousalvalence) } }; // up to SDK 1.15
  return { output: both(inner) };
}

/** @type {(detail: Detail) => Detail} */
function pose(detail) {
  const inner = isMap(detail.output) ? detail.output : detail;
  return { output: isMap(inner.pose) ? { pose: only(inner.pose, ["pitch", "roll", "yaw"]) } : {} };
}

const AGGREGATED = new Set([
  ...EMOTIONS.map((name) => `emotion_${name}`.toLowerCase()),
  "valence", "arousal", "arousalvalence_valence", "arousalvalence_arousal", "attention", "totalfaces",
]);

/** @type {(detail: Detail) => Detail} */
function aggregate(detail) {
  const inner = isMap(detail.output) ? detail.output : detail;
  /** @type {Detail} */
  const kept = {};
  for (const [key, value] of Object.entries(inner)) {
    if (AGGREGATED.has(key.replaceAll(" ", "").toLowerCase().replace(/\.avg$/, ""))) {
      kept[key] = isMap(value) ? only(value, ["avg", "samples"]) : value;
    }
  }
  return kept;
}

/**
 * An alarm is a flag, bare or under a name that differs between versions.
 * @param {any} detail
 */
function alarm(detail) {
  if (!isMap(detail)) return typeof detail === "boolean" ? detail : undefined;
  const inner = isMap(detail.output) ? detail.output : detail;
  const flags = Object.fromEntries(Object.entries(inner).filter(([, value]) => typeof value === "boolean"));
  return { output: flags };
}

/** @type {Record<string, (detail: any) => any>} */
const MODULES = {
  CY_FACE_DETECTOR_RESULT: detector,
  CY_FACE_EMOTION_RESULT: emotion,
  CY_FACE_AROUSAL_VALENCE_RESULT: arousalValence,
  CY_FACE_ATTENTION_RESULT: output(["attention"]),
  CY_FACE_POSE_RESULT: pose,
  CY_FACE_WISH_RESULT: output(["wish"]),
  CY_FACE_POSITIVITY_RESULT: output(["positivity"]),
  CY_DATA_AGGREGATOR: aggregate,
  CY_ALARM_NO_FACE_RESULT: alarm,
  CY_ALARM_MORE_FACES_RESULT: alarm,
  CY_ALARM_LOW_ATTENTION_RESULT: alarm,
};

/** What is listened to. Age, gender, features and the camera's pictures are not. */
export const EVENTS = Object.freeze(Object.keys(MODULES));
const ALARMS = new Set(EVENTS.filter((name) => name.includes("ALARM_")));

/**
 * @param {string} type
 * @param {unknown} detail
 * @returns {any}
 */
export function pick(type, detail) {
  const module = Object.hasOwn(MODULES, type) ? MODULES[type] : undefined;
  if (!module || (!isMap(detail) && !ALARMS.has(type))) return undefined;
  return module(detail);
}
