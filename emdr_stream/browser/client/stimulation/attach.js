/** In: a session of the library and a stimulation. Out: each does at once what the other says; nothing begins by itself. */

/**
 * A pause stops the light in the way it asks for, and is confirmed with the true time of rest. Configurations and
 * adaptations steer: now, at the end of the pass, or with the next set. While the session is paused or not connected no
 * set can begin, and the end of a pause begins none: that is for a person to do.
 * @param {import("../session.js").Session} session @param {import("./engine.js").Stimulation} engine
 * @returns {() => void} undoes it; a light that moves goes on
 */
export function attach(session, engine) {
  engine.mayMove = () => !session.paused;
  const unsubscribe = [
    session.on("pause", async ({ mode, controlEpoch }) => {
      const ts = await engine.stop({ mode });
      session.confirmStopped(controlEpoch, ts);
    }),
    session.on("config", ({ changed, source }) => {
      if (source === "welcome") engine.configure(changed);
    }),
    session.on("adapt", ({ config, ramp_ms: rampMs, effective: when }) => engine.configure(config, { rampMs, when })),
    session.on("ended", () => engine.stop()),
    session.on("closed", () => engine.stop()),
    engine.on("set", ({ action }) => {
      // What a pause has interrupted is over for the service already.
      if (action === "start") session.sendSet("begin");
      else if (!session.paused) session.sendSet("end");
    }),
  ];
  return () => {
    engine.mayMove = () => true;
    unsubscribe.forEach((undo) => undo());
  };
}
