// The page around the library: hidden, shown, frozen; timers that run in a worker beside it.

import assert from "node:assert/strict";
import test from "node:test";
import { attach } from "../../emdr_stream/browser/client/stimulation/attach.js";
import { pause, settled } from "./fakes.mjs";
import { world as stimulation } from "./stimulation_world.mjs";
import { session } from "./world.mjs";

/** A page that the test hides and shows. `before`: what is made in it ahead of the session. */
async function inPage(run, options = {}, before = () => null) {
  const listeners = new Map();
  const on = (name, handler) => listeners.set(name, [...(listeners.get(name) ?? []), handler]);
  const off = (name, handler) => listeners.set(name, (listeners.get(name) ?? []).filter((each) => each !== handler));
  globalThis.document = { visibilityState: "visible", baseURI: "https://h.test/", addEventListener: on, removeEventListener: off };
  globalThis.addEventListener = on;
  globalThis.removeEventListener = off;
  const fire = (name) => listeners.get(name)?.forEach((handler) => handler());
  try {
    const made = before();
    await run({
      made,
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

// The engine looks at the page, too, and ends its set: where it heard first, the session took the set for over, and told nobody.
for (const order of ["engine first, as on /client", "session first"]) {
  test(`a light that stops because the page was hidden is told as that, ${order}`, () => inPage(async ({ made, hide, show, peer, of, socket }) => {
    const stage = made ?? stimulation({ page: document });
    attach(peer, stage.engine);
    assert.equal(stage.engine.start({ seconds: 30 }), true);
    stage.seconds(3);
    hide();
    assert.equal(stage.engine.state, "rest");
    await settled();
    assert.deepEqual(of("pause").map(({ cause }) => cause), ["page_hidden"]);
    assert.deepEqual(socket.of("stop").map(({ reason }) => reason), ["page_hidden"]);
    assert.deepEqual(socket.of("set").map(({ action }) => action), ["start"], "the service ends the set itself");
    show();
    assert.equal(stage.engine.start(), false);
  }, {}, order.startsWith("engine") ? () => stimulation({ page: document }) : undefined));
}

test("a set that a page ends while it is hidden is told as a stop, and the page may choose otherwise", async () => {
  await inPage(async ({ peer, socket }) => {
    peer.sendSet("begin");
    document.visibilityState = "hidden"; // the session's own listener comes later
    assert.equal((await peer.sendSet("end")).code, "paused");
    assert.equal(socket.of("stop").length, 1);
  });
  await inPage(async ({ peer, socket }) => {
    peer.sendSet("begin");
    document.visibilityState = "hidden";
    peer.sendSet("end");
    assert.deepEqual([socket.of("stop").length, socket.of("set").length], [0, 2]);
  }, { onHidden: "never" });
});

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
