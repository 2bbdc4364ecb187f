/** In: a session of the library and a stimulation. Out: each does at once what the other says; nothing begins by itself. */

/**
 * A pause stops the light in the way it asks for and is confirmed with the true time of rest; a local one (the person's
 * stop, a lost connection) is always hard. Configurations and adaptations steer, now, at the end of the pass or with the
 * next set. The end of a pause starts nothing: a person begins the next set.
 * @param {any} session of `connect` @param {import("./engine.js").Stimulation} engine
 * @param {{firstSet?: number}} [options]
 * @returns {() => void} undoes it; the light is left as it is
 */
export function attach(session, engine, { firstSet = 1 } = {}) {
  let setNo = firstSet - 1;
  const unsubscribe = [
    session.on("welcome", ({ snapshot }) => {
      setNo = Math.max(setNo, snapshot?.set_no ?? 0);
      if (snapshot?.config) engine.configure(snapshot.config);
    }),
    session.on("pause", async ({ local = false, mode = "hard", control_epoch: epoch }) => {
      const ts = await engine.stop({ mode: local ? "hard" : mode });
      if (epoch !== undefined) session.confirmStopped(epoch, ts);
    }),
    session.on("adapt", ({ config, ramp_ms: rampMs, effective: when }) => engine.configure(config, { rampMs, when })),
    session.on("config", (config) => engine.configure(config.config ?? config)),
    session.on("ended", () => engine.stop()),
    engine.on("set", ({ action }) => {
      if (action === "start") setNo += 1;
      session.sendSet(action === "start" ? "start" : "end", setNo);
    }),
  ];
  return () => unsubscribe.forEach((undo) => undo());
}
