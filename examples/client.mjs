// Streams fifty samples, prints the answers, obeys every pause: the same code in a browser and in Node.
export function run(url, token, show) {
  const socket = new WebSocket(url, ["emdr.v1.json"]);
  const say = (message) => socket.send(JSON.stringify(message));
  const stopStimulus = () => {}; // yours: at rest at once, waiting for nobody
  let sent = 0, patience = 2000, watchdog, timer;

  const sample = () => {
    if (sent === 50) { clearInterval(timer); return say({ type: "bye" }); }
    const dimensions = { valence: 0.1, arousal: -0.1, attention: 0.8 }; // your camera's readings go here
    const emotions = { joy: 0.1, sadness: 0.1, anger: 0, fear: 0, surprise: 0.1, disgust: 0, neutral: 0.7 };
    say({ type: "sample", id: sent++, ts: Date.now(), dimensions, emotions });
  };
  socket.onopen = () => say({ type: "hello", token, source: "emotion" });
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    if (message.type === "welcome") { patience = message.timeout_ms; timer = setInterval(sample, 100); }
    clearTimeout(watchdog); // dead-man switch: hearing nothing for `timeout_ms`, stop the stimulus
    watchdog = setTimeout(stopStimulus, patience);
    show(message.type, JSON.stringify(message.dimensions ?? message.reason ?? ""));
    if (message.type === "control.pause") {
      stopStimulus();
      say({ type: "applied", control_epoch: message.control_epoch, stopped_ts: Date.now() });
    }
  };
  return new Promise((over) => {
    socket.onclose = ({ code }) => { clearInterval(timer); stopStimulus(); clearTimeout(watchdog); over(code); };
  });
}

if (globalThis.process?.argv[2]) {
  const code = await run(process.argv[2], process.argv[3], console.log);
  process.exitCode = code === 1000 ? 0 : 1;
}
