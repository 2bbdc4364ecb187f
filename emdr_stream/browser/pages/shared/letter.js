/** In: a key that was pressed. Out: the Latin letter on it, whatever alphabet the keyboard writes. */

/**
 * What the key writes, where that is a Latin letter: layouts move them about. Else the letter of its place on a keyboard of
 * the Latin alphabet, which is what is printed on it beside the other one.
 * @param {{key: string, code?: string}} event @returns {string} small; empty for any other key
 */
export function letterOf({ key, code = "" }) {
  if (/^[a-z]$/i.test(key)) return key.toLowerCase();
  const isForeign = /^\p{Letter}$/u.test(key);
  return isForeign && /^Key[A-Z]$/.test(code) ? code[3].toLowerCase() : "";
}
