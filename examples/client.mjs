// Streams fifty samples, prints the answers, obeys every pause: the same code in a browser and in Node.
// A page imports the library from the service: /assets/latest/client/index.js
import { connect, samples } from "../emdr_stream/browser/client/index.js";

export function run(url, token, show) {
  const stopStimulus = () => {}; // yours: at rest at once, waiting for nobody
  const source = samples();
  const session = connect({ url, source, getToken: async () => token });
  let sent = 0, timer;

  session.on("welcome", ({ session_id }) => {
    show("welcome", session_id);
    timer ??= setInterval(() => {
      if (sent++ === 50) return session.end();
      const dimensions = { valence: 0.1, arousal: -0.1, attention: 0.8 }; // your camera's readings go here
      return source.push({ dimensions, emotions: { joy: 0.2, sadness: 0.1, anger: 0, fear: 0, surprise: 0, disgust: 0 } });
    }, 100);
  });
  session.on("pause", ({ cause, controlEpoch }) => { // the therapist's, a crisis, a silent service, your own `stop()`
    stopStimulus();
    session.confirmStopped(controlEpoch);
    show("pause", cause);
  });
  for (const event of ["result", "error", "ended"]) {
    session.on(event, (told) => show(event, JSON.stringify(told.dimensions ?? told.reason ?? told.message)));
  }
  return new Promise((over) => { session.on("closed", ({ code }) => { clearInterval(timer); over(code); }); });
}

if (globalThis.process?.argv[2]) {
  process.exitCode = (await run(process.argv[2], process.argv[3], console.log)) === 1000 ? 0 : 1;
}
