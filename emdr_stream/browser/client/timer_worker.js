/** In: `{id, ms}`. Out: `{id}` once that time has passed: a worker's timers are not slowed down with a hidden page. */

/** @type {Map<number, ReturnType<typeof setTimeout>>} */
const running = new Map();

onmessage = ({ data: { id, ms } }) => {
  clearTimeout(running.get(id));
  running.delete(id);
  if (ms !== null) {
    running.set(id, setTimeout(() => { running.delete(id); postMessage({ id }); }, ms));
  }
};
