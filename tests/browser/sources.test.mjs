// Sources: what leaves the page of a sample, of the SDK's events, of a face's landmarks.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { faceQuality, headPose, scoresOf } from "../../emdr_stream/browser/client/sources/face.js";
import { landmarks } from "../../emdr_stream/browser/client/sources/landmarks.js";
import { morphcast } from "../../emdr_stream/browser/client/sources/morphcast.js";
import { EVENTS, pick } from "../../emdr_stream/browser/client/sources/morphcast_events.js";
import { Pace } from "../../emdr_stream/browser/client/sources/pace.js";
import { samples } from "../../emdr_stream/browser/client/sources/samples.js";
import { settled, welcome } from "./fakes.mjs";
import { comesBack, session } from "./world.mjs";

const vectors = JSON.parse(readFileSync(new URL("vectors.json", import.meta.url), "utf-8"));

function fire(target, type, detail) {
  target.dispatchEvent(Object.assign(new Event(type), { detail }));
}

/** What a session with this source has sent of `type` so far. */
async function streaming(source) {
  const world = await session({ source });
  await settled();
  return world;
}

test("a sample goes as it was pushed, with an id and a time; what is unknown stays away", async () => {
  const source = samples();
  assert.equal(source.push({ dimensions: { valence: 0 } }), false);
  const { socket } = await streaming(source);
  const before = Date.now();
  assert.equal(source.push({ dimensions: { valence: 0.1, arousal: null } }), true);
  const [{ id, ts, ...rest }] = socket.of("sample");
  assert.deepEqual(rest, { type: "sample", dimensions: { valence: 0.1, arousal: null } });
  assert.ok(Number.isInteger(id) && ts >= before);
});

test("no more samples a second than the service takes", async () => {
  const source = samples();
  const { socket } = await streaming(source);
  for (let i = 0; i < 100; i += 1) source.push({ ts: 1_000_000 + i * 5, dimensions: { valence: 0 } });
  assert.equal(socket.of("sample").length, 60);
  assert.equal(source.push({ ts: 1_002_000, dimensions: { valence: 0 } }), true);
});

test("readings are dropped, not queued, while the line is full; a stop is not", async () => {
  const source = samples();
  const { socket, peer } = await streaming(source);
  socket.bufferedAmount = 200_000;
  assert.equal(source.push({ dimensions: { valence: 0 } }), false);
  peer.stop();
  assert.equal(socket.of("stop").length, 1);
});

test("a source is started once, told of breaks, and stopped at the end", async () => {
  const calls = [];
  const source = { kind: "emotion" };
  for (const name of ["start", "stop", "connected", "disconnected"]) source[name] = () => calls.push(name);
  const world = await streaming(source);
  await comesBack(world, welcome({ resumed: true }));
  world.socket.drop(4409);
  assert.deepEqual(calls, ["start", "disconnected", "connected", "stop"]);
});

test("a source that fails is told as an error, and the session goes on", async () => {
  const { of, peer } = await streaming({ kind: "frame", async start() { throw new Error("no lens"); }, stop() {} });
  assert.equal(of("error")[0].code, "source_failed");
  assert.equal(peer.connected, true);
});

test("events of the SDK travel together, each with its own time", async () => {
  const target = new EventTarget();
  const { socket } = await streaming(morphcast({ target, gatherMs: 40, sdkVersion: "1.17.2", smoothness: { FACE_EMOTION: 0.4 } }));
  fire(target, "CY_FACE_ATTENTION_RESULT", { output: { attention: 0.7 } });
  fire(target, "CY_FACE_AROUSAL_VALENCE_RESULT", { output: { arousal: 0.1, valence: -0.2, affects38: { Afraid: 0.2 }, quadrant: "x" } });
  fire(target, "CY_FACE_EMOTION_RESULT", { output: { dominantEmotion: "Sad", emotion: { Angry: NaN, Sad: 0.5 } } });
  await new Promise((done) => setTimeout(done, 60));
  const [first, second] = socket.of("morphcast");
  assert.deepEqual(first.events.map(({ type }) => type), ["CY_FACE_ATTENTION_RESULT"]);
  assert.deepEqual(first.context, { morphcast: { sdk_version: "1.17.2", smoothness: { FACE_EMOTION: 0.4 } } });
  assert.deepEqual(second.events.map(({ detail }) => detail), [
    { output: { arousal: 0.1, valence: -0.2 } },
    { output: { emotion: { Angry: NaN, Sad: 0.5 } } },
  ]);
  assert.equal(second.context, undefined);
  assert.ok(second.events.every(({ ts }) => ts <= second.ts));
});

test("what the service would drop is not even listened to", () => {
  for (const name of vectors.morphcast_dropped) assert.ok(!EVENTS.includes(name), name);
  for (const name of EVENTS) assert.ok(vectors.morphcast_read.includes(name), name);
});

test("no picture, age, gender or feature leaves the page, whatever event it hides in", () => {
  const secret = { data: new Uint8ClampedArray(4) };
  const inner = { age: { numericAge: 30 }, gender: { Male: 1 }, features: { Attractive: 1 }, faces: [secret], affects38: {} };
  for (const name of EVENTS) {
    for (const detail of [{ ...inner, output: inner }, inner, { ...inner, output: true }]) {
      const text = JSON.stringify(pick(name, detail) ?? null);
      assert.ok(!/age"|gender|Attractive|faces|affects/.test(text), `${name}: ${text}`);
    }
  }
  assert.deepEqual(
    pick("CY_DATA_AGGREGATOR", {
      "emotion_Fear.avg": { avg: 0.18, min: 0 }, "age.avg": { avg: 40 }, gender_mostConfident: { distribution: {} },
      affects38_Distressed: { avg: 0.2 }, attention: { avg: 0.7, samples: 12, last: 1 }, "arousal.avg": 0.1,
    }),
    { "emotion_Fear.avg": { avg: 0.18 }, attention: { avg: 0.7, samples: 12 }, "arousal.avg": 0.1 },
  );
});

test("a lost face is told as the SDK tells it, and alarms keep their flag under any name", () => {
  assert.deepEqual(
    pick("CY_FACE_DETECTOR_RESULT", { faces: [], rects: [], status: "RECOVERING", fullFrameDetection: true, totalFaces: 1 }),
    { status: "RECOVERING", totalFaces: 1, rects: [] },
  );
  assert.deepEqual(pick("CY_ALARM_NO_FACE_RESULT", { output: { noFace: true, since: 3 } }), { output: { noFace: true } });
  assert.deepEqual(pick("CY_ALARM_NO_FACE_RESULT", { output: true }), { output: { output: true } });
  assert.equal(pick("CY_ALARM_NO_FACE_RESULT", true), true);
  assert.equal(pick("CY_FACE_EMOTION_RESULT", null), undefined);
  assert.equal(pick("constructor", {}), undefined);
});

test("a stopped source hears nothing any more, and a flood keeps the newest events", async () => {
  const target = new EventTarget();
  const source = morphcast({ target, gatherMs: 20 });
  const { socket, peer } = await streaming(source);
  for (let i = 0; i < 200; i += 1) fire(target, "CY_FACE_ATTENTION_RESULT", { output: { attention: i / 200 } });
  await new Promise((done) => setTimeout(done, 40));
  assert.ok(socket.of("morphcast").every(({ events }) => events.length <= 64));
  assert.equal(socket.of("morphcast").at(-1).events.at(-1).detail.output.attention, 199 / 200);
  const sent = socket.of("morphcast").length;
  peer.close();
  fire(target, "CY_FACE_ATTENTION_RESULT", { output: { attention: 1 } });
  await new Promise((done) => setTimeout(done, 40));
  assert.equal(socket.of("morphcast").length, sent);
});

const points = (fx, fy, cx, cy) => {
  const list = Array.from({ length: 478 }, () => ({ x: 0.5, y: 0.5 }));
  list[10] = { x: fx, y: fy };
  list[152] = { x: cx, y: cy };
  return list;
};
const categories = (n) => Array.from({ length: n }, (_, index) => ({ index, score: index / 60 })).reverse();
const found = (fields = {}) => ({
  faceLandmarks: [points(0.5, 0.25, 0.5, 0.75)],
  faceBlendshapes: [{ categories: categories(52) }],
  facialTransformationMatrixes: [{ rows: 4, columns: 4, data: vectors.poses[1].data }],
  ...fields,
});

test("a head's pose is what the service reads of the same matrix, in either order of its numbers", () => {
  for (const { data, pose } of vectors.poses) {
    const rows = data.map((_, at) => data[(at % 4) * 4 + Math.floor(at / 4)]);
    for (const numbers of [data, rows, new Float32Array(data)]) {
      const read = headPose({ data: numbers });
      for (const angle of ["yaw", "pitch", "roll"]) assert.ok(Math.abs(read[angle] - pose[angle]) < 0.02, `${angle} ${read[angle]}`);
    }
  }
  assert.equal(headPose(undefined), null);
  assert.equal(headPose({ data: [1, 2] }), null);
  assert.equal(headPose({ data: new Array(16).fill(NaN) }), null);
});

test("scores go by their index, all of them or none", () => {
  const scores = scoresOf({ categories: categories(52) });
  assert.equal(scores.length, 52);
  assert.equal(scores[51], 51 / 60);
  assert.equal(scoresOf({ categories: categories(51) }), null);
  assert.equal(scoresOf(undefined), null);
});

test("what was found in the page becomes a message without a pixel", async () => {
  const source = landmarks();
  const { socket } = await streaming(source);
  assert.equal(source.push(found(), { width: 640, height: 480 }), true);
  const [{ id: _id, ts: _ts, blendshapes, pose, ...rest }] = socket.of("landmarks");
  assert.equal(blendshapes.length, 52);
  assert.ok(Math.abs(pose.yaw - 30) < 0.02);
  assert.deepEqual(rest, { type: "landmarks", faces: 1, place: { x: 0.5, y: 0.5, height: 0.5 }, quality: 1 });
});

test("no face, a face without scores and a second face are told as what they are", async () => {
  const source = landmarks({ fps: 60 });
  const { socket } = await streaming(source);
  const say = async (result) => {
    await new Promise((done) => setTimeout(done, 40));
    assert.equal(source.push(result, { width: 640, height: 480 }), true);
    return socket.of("landmarks").at(-1);
  };
  assert.deepEqual((({ faces, quality, blendshapes }) => [faces, quality, blendshapes])(await say({ faceLandmarks: [] })), [0, 0, undefined]);
  assert.equal((await say(found({ faceBlendshapes: [] }))).quality, 0);
  const both = await say(found({ faceLandmarks: [points(0.5, 0.25, 0.5, 0.75), points(0, 0, 1, 1)] }));
  assert.equal(both.faces, 2);
  assert.equal((await say(found({ facialTransformationMatrixes: [] }))).pose, undefined);
});

test("a small face is trusted less, and at last not at all", () => {
  assert.equal(faceQuality({ height: 0.5 }, 480), 1);
  assert.equal(faceQuality({ height: 70 / 480 }, 480), 0.5);
  assert.equal(faceQuality({ height: 0.05 }, 480), 0);
});

test("a pace is never faster in the mean than allowed, and makes up for no pause", () => {
  const pace = new Pace();
  let sent = 0;
  for (let now = 0; now < 10_000; now += 7) sent += pace.admits(now, 15);
  assert.ok(sent <= 151 && sent >= 140, String(sent));
  sent = 0;
  for (let now = 60_000; now < 60_200; now += 1) sent += pace.admits(now, 10);
  assert.ok(sent <= 3, String(sent));
  assert.equal(pace.admits(90_000, 0), false);
});
