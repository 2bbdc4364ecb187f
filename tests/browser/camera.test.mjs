// The camera: one frame on its way at a time, words for what is in the way, nothing left open. The browser is a fake.

import assert from "node:assert/strict";
import test from "node:test";
import { camera } from "../../emdr_stream/browser/client/sources/camera.js";
import { encodeJpeg, fit, isBaseline } from "../../emdr_stream/browser/client/sources/jpeg.js";
import { settled, welcome } from "./fakes.mjs";
import { comesBack, session } from "./world.mjs";

const JPEG = [0xff, 0xd8, 0xff, 0xe0, 0, 4, 1, 2, 0xff, 0xc0, 0, 4, 1, 2, 0xff, 0xd9];
const PROGRESSIVE = JPEG.map((byte) => (byte === 0xc0 ? 0xc2 : byte));

class FakeTrack extends EventTarget {
  stopped = false;

  stop() {
    this.stopped = true;
  }
}

/** A browser with a camera; `show()` is a new picture. */
class FakeBrowser {
  refusal = null;
  tracks = [];
  pictures = 0;
  closed = 0;
  asked = [];
  canvases = 0;
  #callbacks = [];
  #undo = [];

  constructor({ jpeg = () => JPEG, size = [640, 480] } = {}) {
    const browser = this;
    const devices = Object.assign(new EventTarget(), {
      getUserMedia: async (wish) => {
        browser.asked.push(wish);
        await browser.gate;
        if (browser.refusal) throw Object.assign(new Error("refused"), { name: browser.refusal });
        const track = new FakeTrack();
        browser.tracks.push(track);
        return { active: true, getVideoTracks: () => [track], getTracks: () => [track] };
      },
    });
    this.devices = devices;
    const video = () => ({
      videoWidth: size[0], videoHeight: size[1], async play() {},
      requestVideoFrameCallback: (callback) => this.#callbacks.push(callback),
      cancelVideoFrameCallback: () => { this.#callbacks = []; },
    });
    this.#set("navigator", { mediaDevices: devices });
    this.#set("document", {
      baseURI: "https://h.test/", visibilityState: "visible", createElement: video, addEventListener() {}, removeEventListener() {},
    });
    this.#set("createImageBitmap", async () => { this.pictures += 1; return { close: () => { this.closed += 1; } }; });
    this.#set("OffscreenCanvas", class {
      constructor() { browser.canvases += 1; }

      getContext() { return { drawImage() {} }; }

      async convertToBlob({ quality }) { return new Blob([new Uint8Array(jpeg(quality))]); }
    });
  }

  #set(name, value) {
    const before = Object.getOwnPropertyDescriptor(globalThis, name);
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
    this.#undo.push(() => (before ? Object.defineProperty(globalThis, name, before) : delete globalThis[name]));
  }

  async show() {
    for (const callback of this.#callbacks.splice(0)) callback(performance.now(), {});
    for (let i = 0; i < 5; i += 1) await new Promise((done) => setImmediate(done));
  }

  /** New pictures until it holds: how many pass by meanwhile depends on the machine. @param {() => boolean} holds */
  async until(holds) {
    for (let shown = 0; !holds(); shown += 1) {
      assert.ok(shown < 1_000, "it never came to hold");
      await this.show();
    }
  }

  close() {
    for (const undo of this.#undo) undo();
  }
}

async function filmed(run, { options = { fps: 1_000 }, greeting, ...browserOptions } = {}) {
  const browser = new FakeBrowser(browserOptions);
  const source = camera(options);
  try {
    const world = await session({ source }, greeting ?? welcome({ limits: { fps: 1_000, message_bytes: 262_144, pixels: [1280, 720], rate_hz: 60 } }));
    await settled();
    await run({ browser, source, ...world, world });
  } finally {
    source.stop();
    browser.close();
  }
}

test("the next picture is taken when the one before has its answer", () => filmed(async ({ browser, socket, of }) => {
  await browser.show();
  await browser.show();
  await browser.show();
  assert.equal(socket.of("frame").length, 1);
  assert.equal(browser.pictures, 1);
  const [frame] = socket.of("frame");
  assert.deepEqual([...frame.image], JPEG);
  socket.receive("skipped", { re: frame.id, reason: "no_face" });
  await browser.show();
  assert.equal(socket.of("frame").length, 2);
  assert.equal(of("skipped").length, 1);
  assert.equal(browser.closed, browser.pictures);
}));

test("a result and an error are answers, too; an answer to something else is none", () => filmed(async ({ browser, socket, peer }) => {
  await browser.show();
  peer.rate({ sud: 3 });
  await settled();
  socket.receive("done", { re: socket.of("rating")[0].id });
  await browser.show();
  assert.equal(socket.of("frame").length, 1);
  const error = { code: "image_rejected", message: "", retryable: false, fatal: false };
  socket.receive("error", { re: socket.of("frame")[0].id, ...error });
  await browser.show();
  assert.equal(socket.of("frame").length, 2);
}));

test("the service's limit makes pictures fewer, at once", () => filmed(async ({ browser, socket }) => {
  socket.receive("limits", { fps: 1 });
  await browser.show();
  socket.receive("skipped", { re: socket.of("frame")[0].id, reason: "no_face" });
  await browser.show();
  assert.equal(socket.of("frame").length, 1);
}));

test("after a break nothing waits for an answer that cannot come", () => filmed(async ({ browser, world }) => {
  await browser.show();
  await comesBack(world, welcome({ resumed: true }));
  await browser.show();
  assert.equal(world.socket.of("frame").length, 1);
}));

test("a picture for which the line has no room is dropped, and the next one is tried", () => filmed(async ({ browser, socket }) => {
  socket.bufferedAmount = 1_000_000;
  await browser.until(() => browser.closed > 1);
  assert.equal(socket.of("frame").length, 0);
  socket.bufferedAmount = 0;
  await browser.until(() => socket.of("frame").length > 0);
  assert.equal(socket.of("frame").length, 1);
}));

test("nothing is taken while there is no connection", () => filmed(async ({ browser, socket }) => {
  socket.drop();
  await browser.show();
  assert.equal(browser.pictures, 0);
}));

test("each way in which a camera is not there has its own word", async () => {
  for (const [name, state] of [
    ["NotAllowedError", "denied"], ["NotFoundError", "missing"], ["NotReadableError", "busy"], ["SecurityError", "denied"], ["Odd", "busy"],
  ]) {
    const browser = new FakeBrowser();
    browser.refusal = name;
    const source = camera();
    const told = [];
    source.on("state", (event) => told.push(event));
    assert.equal(await source.open(), false);
    assert.equal(source.state, state);
    assert.deepEqual(told.map((event) => event.state), ["asking", state]);
    assert.ok(told[1].message);
    browser.refusal = null;
    assert.equal(await source.open(), true, "asked again it tries again");
    source.stop();
    browser.close();
  }
});

test("without a secure page there is no camera, and that is said", async () => {
  const source = camera();
  assert.equal(await source.open(), false);
  assert.equal(source.state, "unsupported");
});

test("the session tells of the camera, so that a page needs to listen in one place", () => filmed(async ({ browser, of }) => {
  assert.deepEqual(of("source").map(({ kind, state }) => [kind, state]), [["frame", "asking"], ["frame", "open"]]);
  browser.tracks[0].dispatchEvent(new Event("mute"));
  browser.tracks[0].dispatchEvent(new Event("unmute"));
  assert.deepEqual(of("source").slice(-2).map(({ state }) => state), ["muted", "open"]);
}));

test("a camera that was opened before the session is told at its start", async () => {
  const browser = new FakeBrowser();
  const source = camera();
  await source.open();
  const { of, peer } = await session({ source });
  await settled();
  assert.deepEqual(of("source").map(({ state }) => state), ["open"]);
  assert.equal(browser.asked.length, 1);
  peer.close();
  browser.close();
});

/** Lets `ms` pass for the page's own timers, which the test holds. */
const pass = async (t, ms) => { t.mock.timers.tick(ms); await settled(); };

test("a camera that is pulled out is told, and taken again when one is there", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  await filmed(async ({ browser, socket, source }) => {
    browser.tracks[0].dispatchEvent(new Event("ended"));
    assert.equal(source.state, "lost");
    assert.equal(browser.tracks[0].stopped, true);
    await browser.show();
    assert.equal(socket.of("frame").length, 0);
    browser.devices.dispatchEvent(new Event("devicechange"));
    await pass(t, 500);
    assert.equal(source.state, "open");
    await browser.show();
    assert.equal(socket.of("frame").length, 1);
  });
});

// Pulling it out is a change of devices of its own, and the driver is often not ready at the change that brings it back:
// the one try that followed the first change had failed for good.
for (const [refusal, state] of [["NotFoundError", "missing"], ["NotReadableError", "busy"]]) {
  test(`a camera that was ${state} at the first change is taken at a later one, or a little after it`, async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    await filmed(async ({ browser, source, peer }) => {
      const changed = () => browser.devices.dispatchEvent(new Event("devicechange"));
      for (const [wait, back] of [[500, changed], [1_500, () => {}]]) {
        browser.refusal = refusal;
        browser.tracks.at(-1).dispatchEvent(new Event("ended"));
        changed();
        changed();
        await pass(t, 500);
        assert.equal(source.state, state);
        browser.refusal = null;
        back();
        await pass(t, wait);
        assert.equal(source.state, "open");
      }
      assert.equal(browser.asked.length, 5, "changes that come together are one");
      browser.tracks.at(-1).dispatchEvent(new Event("ended"));
      changed();
      peer.close();
      changed();
      await pass(t, 60_000);
      assert.equal(browser.asked.length, 5, "after the end nobody asks");
    });
  });
}

test("a camera that the person refuses is not asked for again by itself", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  await filmed(async ({ browser, source }) => {
    browser.refusal = "NotAllowedError";
    browser.tracks[0].dispatchEvent(new Event("ended"));
    browser.devices.dispatchEvent(new Event("devicechange"));
    await pass(t, 500);
    assert.equal(source.state, "denied");
    browser.devices.dispatchEvent(new Event("devicechange"));
    await pass(t, 60_000);
    assert.equal(browser.asked.length, 2);
    browser.refusal = null;
    assert.equal(await source.open(), true, "a button may ask again");
  });
});

test("who asks while a question is open has the same answer, and a track of before says nothing any more", () => filmed(
  async ({ browser, source }) => {
    browser.tracks[0].dispatchEvent(new Event("ended"));
    browser.tracks[0].dispatchEvent(new Event("unmute"));
    assert.equal(source.state, "lost");
    assert.deepEqual(await Promise.all([source.open(), source.open()]), [true, true]);
    assert.equal(browser.tracks.length, 2);
    browser.tracks[0].dispatchEvent(new Event("ended"));
    assert.equal(source.state, "open");
  },
));

test("a hidden page says that it sees nothing", () => filmed(async ({ peer, of, source }) => {
  peer.emit("visibility", { hidden: true });
  assert.equal(of("source").at(-1).state, "hidden");
  peer.emit("visibility", { hidden: false });
  assert.equal(source.state, "open");
}));

test("the end of the session switches the camera off", () => filmed(async ({ browser, peer, source }) => {
  peer.close();
  assert.equal(browser.tracks[0].stopped, true);
  assert.equal(source.stream, null);
  assert.equal(source.state, "closed");
}));

test("a camera that is allowed only after the end is switched off at once", async () => {
  const browser = new FakeBrowser();
  let allow;
  browser.gate = new Promise((done) => { allow = done; });
  const source = camera();
  const opening = source.open();
  source.stop();
  allow();
  assert.equal(await opening, false);
  assert.equal(browser.tracks[0].stopped, true);
  assert.equal(source.stream, null);
  browser.close();
});

test("a browser that makes no baseline JPEG is told, and sends none", () => filmed(async ({ browser, socket, of }) => {
  await browser.show();
  assert.equal(socket.of("frame").length, 0);
  assert.match(of("error")[0].message, /baseline/);
  assert.equal(browser.closed, 1);
}, { jpeg: () => PROGRESSIVE }));

test("a picture that is too large is made again with less quality", () => filmed(async ({ browser, socket }) => {
  await browser.show();
  assert.ok(socket.of("frame")[0].image.length < 2_000);
}, {
  jpeg: (quality) => [...JPEG, ...new Array(Math.round(quality * 2_000)).fill(0)],
  greeting: welcome({ limits: { fps: 30, message_bytes: 1_500, pixels: [1280, 720], rate_hz: 60 } }),
}));

test("pictures have the camera's shape, at least 320 by 240, and never more than is allowed", () => {
  assert.deepEqual(fit([1920, 1080], [640, 480], [1280, 720]), [640, 360]);
  assert.deepEqual(fit([640, 480], [640, 480], [1280, 720]), [640, 480]);
  assert.deepEqual(fit([480, 640], [640, 480], [1280, 720]), [360, 480]);
  assert.deepEqual(fit([1280, 720], [160, 120], [1280, 720]), [426, 240]);
  assert.deepEqual(fit([320, 240], [640, 480], [1280, 720]), [320, 240]);
  assert.deepEqual(fit([4000, 3000], [4000, 3000], [1280, 720]), [960, 720]);
});

test("only a baseline JPEG is one", async () => {
  assert.equal(isBaseline(new Uint8Array(JPEG)), true);
  for (const other of [PROGRESSIVE, [0x89, 0x50], [], JPEG.slice(0, 8)]) assert.equal(isBaseline(new Uint8Array(other)), false);
  const canvas = { width: 1, height: 1, getContext: () => ({ drawImage() {} }), toBlob: (done) => done(null) };
  await assert.rejects(encodeJpeg(canvas, {}, { size: [1, 1], quality: 1, mostBytes: 1 }), /no JPEG/);
});
