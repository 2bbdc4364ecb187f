/** In: a JWT. Out: when it expires. Nothing is verified here: the service does that. */

/**
 * @param {string} token
 * @returns {number | null} milliseconds since 1970 by the service's clock; null where it does not say
 */
export function expiryOf(token) {
  const payload = token.split(".")[1];
  if (!payload) return null;
  try {
    const claims = JSON.parse(atob(payload.replaceAll("-", "+").replaceAll("_", "/")));
    return Number.isFinite(claims?.exp) ? claims.exp * 1_000 : null;
  } catch {
    return null;
  }
}

/**
 * When to ask for the next token: after four fifths of the time that is left, and a minute before the end where there
 * is that much.
 * @param {number} leftMs
 */
export function renewIn(leftMs) {
  return Math.max(0, Math.min(leftMs * 0.8, Math.max(leftMs - 60_000, leftMs * 0.5)));
}
