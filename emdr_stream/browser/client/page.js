/** In: a page's own events. Out: calls when it is hidden, shown, back from a freeze, or online again. */

/**
 * @param {{hidden?: () => void, visible?: () => void, online?: () => void}} calls
 * @returns {() => void} ends it
 */
export function watchPage({ hidden, visible, online }) {
  const page = globalThis.document;
  const target = /** @type {any} */ (globalThis);
  if (!page?.addEventListener || !target.addEventListener) return () => {};
  const look = () => (page.visibilityState === "hidden" ? hidden : visible)?.();
  const back = () => visible?.();
  const network = () => online?.();
  page.addEventListener("visibilitychange", look);
  page.addEventListener("resume", back); // a page that was frozen
  target.addEventListener("pageshow", back); // a page from the back-forward cache
  target.addEventListener("online", network);
  return () => {
    page.removeEventListener("visibilitychange", look);
    page.removeEventListener("resume", back);
    target.removeEventListener("pageshow", back);
    target.removeEventListener("online", network);
  };
}

/** Whether nobody can see the page. Where there is no page, nobody needs to. */
export function isHidden() {
  return globalThis.document?.visibilityState === "hidden";
}

/**
 * The address of a socket: relative ones are the page's own, http becomes ws.
 * @param {string | URL} url
 * @returns {string}
 */
export function socketAddress(url) {
  let address;
  try {
    address = new URL(url, globalThis.document?.baseURI);
  } catch {
    throw new TypeError(`url: "${url}" is no address; write it as wss://host/v1/stream`);
  }
  address.protocol = address.protocol.replace(/^http/, "ws");
  if (!/^wss?:$/.test(address.protocol)) throw new TypeError(`url: "${url}" must begin with wss:// or ws://`);
  address.hash = "";
  return address.href;
}
