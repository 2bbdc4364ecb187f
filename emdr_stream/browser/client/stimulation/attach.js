/** In: a session of the library and a stimulation. Out: each does at once what the other says; nothing begins by itself. */

/**
 * A pause stops the light in the way it asks for, and is confirmed with the true time of rest. Configurations and
 * adaptations steer: now, at the end of the pass, or with the next set. While the session is paused or not connected no
 * set can begin, and the end of a pause begins none: that is for a person to do. A set that the service does not take ends
 * at once: nobody would watch over its light.
 * @param {import("../session.js").Session} session @param {import("./engine.js").Stimulation} engine
 * @returns {() => void} undoes it; a light that moves goes on
 */
export function attach(session, engine) {
  engine.mayMove = () => !session.paused;
  /** The set that moves now. @type {object | null} */
  let moving = null;
  const begun = async () => {
    const set = (moving = {});
    const answer = await session.sendSet("begin");
    // A pause, that of a lost connection too, has stopped the light already, in its own way.
    if (answer.ok || moving !== set || session.paused) return;
    engine.stop();
    const message = `the service did not take the set: ${answer.message}`;
    session.emit("error", { code: "set_refused", cause: answer.code, message, retryable: true, fatal: false });
  };
  const over = () => {
    moving = null;
    // What a pause has interrupted is over for the service already.
    if (!session.paused) session.sendSet("end");
  };
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
    engine.on("set", ({ action }) => (action === "start" ? begun() : over())),
  ];
  return () => {
    moving = null;
    engine.mayMove = () => true;
    unsubscribe.forEach((undo) => undo());
  };
}
