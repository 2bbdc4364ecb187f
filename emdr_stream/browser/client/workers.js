/** In: the name of a script of this library. Out: a Worker that runs it, or null where there can be none. */

/**
 * A page of another origin may import this library but not start its scripts: there a script of the page's own
 * imports them, which its content security policy must allow (`worker-src blob:`).
 * @param {string} path relative to this file
 * @param {(problem: unknown) => void} onFailure the worker could not be loaded after all, or failed
 * @returns {Worker | null}
 */
export function startWorker(path, onFailure) {
  if (typeof Worker !== "function") return null;
  const address = new URL(path, import.meta.url);
  try {
    const worker = isOurs(address) ? new Worker(address, { type: "module" }) : borrowed(address);
    worker.addEventListener("error", (event) => onFailure(event));
    return worker;
  } catch {
    return null;
  }
}

/** @param {URL} address */
function isOurs(address) {
  return address.origin === globalThis.location?.origin;
}

/** @param {URL} address */
function borrowed(address) {
  const blob = URL.createObjectURL(new Blob([`import ${JSON.stringify(address.href)};`], { type: "text/javascript" }));
  try {
    return new Worker(blob, { type: "module" });
  } finally {
    // The worker has its own hold on the script once it has begun to load; a second later it surely has.
    setTimeout(() => URL.revokeObjectURL(blob), 1_000);
  }
}
