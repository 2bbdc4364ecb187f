/** In: a close code. Out: whether to come back (protocol, "Close codes"). */

/** What a browser reports when nobody said goodbye, and a handshake that was refused looks the same. */
export const ABNORMAL = 1006;

const FINAL = new Set([1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 4409]);

/**
 * @param {number} code
 * @returns {boolean} true: reconnect and resume; false: it is over, or trying again would end in the same way
 */
export function comesBack(code) {
  return !FINAL.has(code) && !(code >= 4500 && code <= 4599);
}

/**
 * Whether the session itself is over, as against this socket.
 * @param {number} code
 */
export function endsSession(code) {
  return code === 4504;
}

/**
 * Whether the token that was used is of no more use.
 * @param {number} code
 */
export function needsToken(code) {
  return code === 4401;
}

/**
 * Whether it was the token that was refused, and not what it asked for.
 * @param {number} code @param {string | null} error the code of the error that came before the close
 */
export function refusesToken(code, error) {
  return code === 4500 || (code === 4503 && error === "forbidden");
}
