/**
 * In: an address with `#token=` or `#ticket=`, or what somebody pastes. Out: the token, kept in memory alone.
 *
 * A fragment never reaches a server, but it stays in the address bar and the history: it is removed at once.
 */

const NAMES = ["token", "ticket"];

/**
 * Takes the token out of a page's address, and the fragment with it.
 * @param {{hash: string, pathname: string, search: string}} location
 * @param {{replaceState(data: unknown, unused: string, url: string): void}} history
 * @returns {string | null}
 */
export function takeToken(location, history) {
  const fields = new URLSearchParams(location.hash.replace(/^#/, ""));
  const found = NAMES.map((name) => fields.get(name)).find(Boolean) ?? null;
  if (found === null) return null;
  history.replaceState(null, "", location.pathname + location.search);
  return clean(found);
}

/**
 * What somebody pasted, without what comes along: spaces, line breaks, quotes, `Bearer`, a whole address.
 * @param {string} pasted
 */
export function clean(pasted) {
  const text = pasted.trim().replace(/^["']|["']$/g, "").replace(/^bearer\s+/i, "");
  const fragment = text.match(/[#&](?:token|ticket)=([^&\s]+)/);
  return (fragment ? fragment[1] : text).replace(/\s+/g, "");
}

/** @param {string} token @returns {Record<string, any> | null} null for what is no token at all */
function payloadOf(token) {
  const parts = token.split(".");
  if (parts.length !== 3) return null;
  try {
    const bytes = Uint8Array.from(atob(parts[1].replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes));
    return typeof claims === "object" ? claims : null;
  } catch {
    return null;
  }
}

/**
 * What a token says of itself; nothing is verified here.
 * @param {string} token
 * @returns {{sub: string, role: string, expiresMs: number | null} | null} null for what is no token at all
 */
export function claimsOf(token) {
  const claims = payloadOf(token);
  if (claims === null) return null;
  return {
    sub: String(claims.sub ?? ""),
    role: String(claims.role ?? ""),
    expiresMs: Number.isFinite(claims.exp) ? claims.exp * 1_000 : null,
  };
}

/**
 * Whether a newer token cannot go on with what an older one has begun: it is another person's, or names another session.
 * @param {string} token @param {string} before
 */
export function isForOther(token, before) {
  const [newer, older] = [payloadOf(token), payloadOf(before)];
  if (newer === null || older === null) return false;
  return newer.sub !== older.sub || (Boolean(newer.sid) && Boolean(older.sid) && newer.sid !== older.sid);
}

/** The one place of a page's token. `ask` is called when one is needed and there is none, or a newer one is. */
export class TokenKeeper {
  #token;
  #ask;
  /** @type {Promise<string> | null} */
  #waiting = null;
  /** @type {(token: string) => void} */
  #settle = () => {};
  /** Nobody has had it yet: a wish for a newer one is a wish for this one. */
  #isUnused = true;

  /**
   * @param {string | null} token
   * @param {(why: "missing" | "expired") => void} ask
   */
  constructor(token, ask) {
    this.#token = token;
    this.#ask = ask;
  }

  get token() {
    return this.#token;
  }

  /** Whether somebody waits for one. */
  get isAsking() {
    return this.#waiting !== null;
  }

  /** For `getToken` of the library. @param {{refresh?: boolean}} [wish] */
  async get({ refresh = false } = {}) {
    if (this.#token !== null && (!refresh || this.#isUnused)) {
      this.#isUnused = false;
      return this.#token;
    }
    if (this.#waiting === null) {
      this.#waiting = new Promise((settle) => { this.#settle = settle; });
      this.#ask(this.#token === null ? "missing" : "expired");
    }
    return this.#waiting;
  }

  /** @param {string} token */
  give(token) {
    this.#token = token;
    this.#isUnused = this.#waiting === null;
    this.#settle(token);
    this.#waiting = null;
  }

  /** The service refused it. */
  forget() {
    this.#token = null;
  }
}
