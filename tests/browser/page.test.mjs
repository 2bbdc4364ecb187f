// The page around the library: hidden, shown, frozen; timers that run in a worker beside it.

import assert from "node:assert/strict";
import test from "node:test";
import { pause, settled } from "./fakes.mjs";
import { session } from "./world.mjs";

/** A page that the test hides and shows. */
async function inPage(run, options = {}) {
  const listeners = new Map();
  const on = (name, handler) => listeners.set(name, [...(listeners.get(name) ?? []), handler]);
  const off = (name, handler) => listeners.set(name, (listeners.get(name) ?? []).filter((each) => each !== handler));
  globalThis.document = { visibilityState: "visible", baseURI: "https://h.test/", addEventListener: on, removeEventListener: off };
  globalThis.addEventListener = on;
  globalThis.removeEventListener = off;
  const fire = (name) => listeners.get(name)?.forEach((handler) => handler());
  try {
    await run({
      ...(await session(options)),
      hide() { document.visibilityState = "hidden"; fire("visibilitychange"); },
      show() { document.visibilityState = "visible"; fire("visibilitychange"); },
      fire,
      listening: () => [...listeners.values()].flat().length,
    });
  } finally {
    for (const name of ["document", "addEventListener", "removeEventListener"]) delete globalThis[name];
  }
}

test("a page that is hidden while a set runs stops, says why, and stays stopped when it is shown again", () => inPage(
  async ({ hide, show, peer, of, socket }) => {
    peer.sendSet("begin");
    hide();
    assert.deepEqual([of("pause")[0].local, of("pause")[0].cause], [true, "page_hidden"]);
    assert.equal(socket.of("stop")[0].reason, "page_hidden");
    show();
    assert.equal(peer.paused, true);
    assert.equal(of("resume").length, 0);
  },
));

test("a page that is hidden between sets stops nothing and calls nobody", () => inPage(async ({ hide, peer, of, socket }) => {
  peer.sendSet("begin");
  peer.sendSet("end");
  hide();
  assert.equal(of("pause").length, 0);
  assert.equal(socket.of("stop").length, 0);
  assert.equal(peer.paused, false);
}));

test("a page that is hidden after the set was paused calls nobody a second time", () => inPage(async ({ hide, peer, of, socket }) => {
  peer.sendSet("begin");
  socket.receive("control.pause", pause());
  hide();
  assert.equal(of("pause").length, 1);
  assert.equal(socket.of("stop").length, 0);
}));

test("what a hidden page means can be chosen", async () => {
  await inPage(async ({ hide, of }) => { hide(); assert.equal(of("pause").length, 1); }, { onHidden: "always" });
  await inPage(
    async ({ hide, of, peer }) => { peer.sendSet("begin"); hide(); assert.equal(of("pause").length, 0); }, { onHidden: "never" },
  );
});

test("a page that wakes up looks first how long it has slept", () => inPage(async ({ clock, fire, of }) => {
  clock.freeze(60_000);
  fire("resume");
  assert.equal(of("pause")[0].cause, "connection_lost");
}));

test("nothing of a closed session listens to the page any more", () => inPage(async ({ peer, listening }) => {
  assert.ok(listening() > 0);
  peer.close();
  assert.equal(listening(), 0);
}));

/** A worker that the test drives; each page clock is its own module instance. */
class FakeWorker extends EventTarget {
  static all = [];
  orders = [];

  constructor(address, options) {
    super();
    Object.assign(this, { address: String(address), options });
    FakeWorker.all.push(this);
  }

  postMessage(order) {
    this.orders.push(order);
  }

  due(id) {
    this.dispatchEvent(Object.assign(new Event("message"), { data: { id } }));
  }
}

async function withWorkers(run, origin) {
  FakeWorker.all = [];
  globalThis.Worker = FakeWorker;
  if (origin) globalThis.location = { origin };
  try {
    const { pageClock } = await import(`../../emdr_stream/browser/client/clock.js?${Math.random()}`);
    await run(pageClock());
  } finally {
    delete globalThis.Worker;
    delete globalThis.location;
  }
}

test("a timer that the worker finds due is due, once, however slow the page's own is", () => withWorkers(async (clock) => {
  let calls = 0;
  const timer = clock.setTimeout(() => { calls += 1; }, 60_000);
  const [worker] = FakeWorker.all;
  assert.deepEqual(worker.orders, [{ id: timer, ms: 60_000 }]);
  worker.due(timer);
  worker.due(timer);
  assert.equal(calls, 1);
}));

test("a timer that the page finds due first is not due again in the worker", () => withWorkers(async (clock) => {
  let calls = 0;
  const timer = clock.setTimeout(() => { calls += 1; }, 1);
  await new Promise((done) => setTimeout(done, 20));
  assert.equal(calls, 1);
  assert.deepEqual(FakeWorker.all[0].orders.at(-1), { id: timer, ms: null });
  FakeWorker.all[0].due(timer);
  assert.equal(calls, 1);
}));

test("a timer that was cleared is due nowhere", () => withWorkers(async (clock) => {
  const timer = clock.setTimeout(() => assert.fail("it was cleared"), 1);
  clock.clearTimeout(timer);
  clock.clearTimeout(undefined);
  FakeWorker.all[0].due(timer);
  await new Promise((done) => setTimeout(done, 20));
}));

test("without a worker, or when it fails, the page's own timers go on", () => withWorkers(async (clock) => {
  let calls = 0;
  clock.setTimeout(() => { calls += 1; }, 1);
  FakeWorker.all[0].dispatchEvent(new Event("error"));
  clock.setTimeout(() => { calls += 1; }, 1);
  await new Promise((done) => setTimeout(done, 20));
  assert.equal(calls, 2);
  assert.equal(FakeWorker.all.length, 1);
}));

test("a page of another origin runs the library's scripts by one of its own", () => withWorkers(async (clock) => {
  clock.clearTimeout(clock.setTimeout(() => {}, 1));
  const [{ address, options }] = FakeWorker.all;
  assert.match(address, /^blob:/);
  assert.deepEqual(options, { type: "module" });
  await settled();
}, "https://elsewhere.test"));

test("the worker's own script counts, clears, and tells", async () => {
  const told = [];
  globalThis.postMessage = (message) => told.push(message);
  globalThis.onmessage = null; // a worker's global scope has it
  try {
    await import(`../../emdr_stream/browser/client/timer_worker.js?${Math.random()}`);
    const order = (data) => globalThis.onmessage({ data });
    order({ id: 1, ms: 5 });
    order({ id: 2, ms: 5 });
    order({ id: 2, ms: null });
    await new Promise((done) => setTimeout(done, 30));
    assert.deepEqual(told, [{ id: 1 }]);
  } finally {
    delete globalThis.postMessage;
    delete globalThis.onmessage;
  }
});
