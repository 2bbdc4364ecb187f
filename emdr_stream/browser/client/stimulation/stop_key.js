/** In: keys, and leaving full screen. Out: one call, in the same turn of the loop, before anybody else hears of the key. */

const STOPS = new Set([" ", "Spacebar", "Escape", "Esc"]);

/**
 * While `active()` says so, Space and Escape stop, whatever has the focus and whatever modifier is down. Browsers take
 * the Escape that leaves full screen for themselves, so leaving it counts as well.
 * @param {{target?: any, active: () => boolean, stop: (by: "key" | "full_screen") => void}} wiring
 * @returns {() => void} undoes it
 */
export function bindStopKeys({ target = globalThis.window, active, stop }) {
  const page = target.document;
  let full = Boolean(page?.fullscreenElement);
  let swallow = false; // the key's release must not press a button that has got the focus meanwhile
  const down = (event) => {
    swallow = STOPS.has(event.key) && (active() || (swallow && event.repeat));
    if (!swallow) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (active()) stop("key");
  };
  const up = (event) => {
    if (swallow && STOPS.has(event.key)) event.preventDefault();
    swallow = false;
  };
  const screen = () => {
    const left = full && !page?.fullscreenElement;
    full = Boolean(page?.fullscreenElement);
    if (left && active()) stop("full_screen");
  };
  // Capturing at the window: first in line.
  target.addEventListener("keydown", down, { capture: true });
  target.addEventListener("keyup", up, { capture: true });
  page?.addEventListener("fullscreenchange", screen);
  return () => {
    target.removeEventListener("keydown", down, { capture: true });
    target.removeEventListener("keyup", up, { capture: true });
    page?.removeEventListener("fullscreenchange", screen);
  };
}
