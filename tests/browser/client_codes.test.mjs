/** In: codes as people paste them, answers of the service. Out: which code the library gets, and what the page asks for. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Codes } from "../../emdr_stream/browser/pages/client/codes.js";
import { isForOther } from "../../emdr_stream/browser/pages/shared/token.js";
import { token } from "./fakes.mjs";

const code = (name, claims = {}) => token({ sub: "c", role: "client", exp: 1_000, jti: name, ...claims });
const [A, B, C] = ["a", "b", "c"].map((name) => code(name));
const ANEW = { refresh: true };

/** In the middle of a session that was opened with A. */
async function used() {
  const needs = [];
  const codes = new Codes(A, (need) => needs.push(need));
  assert.equal(await codes.get({ refresh: false }, false), A);
  return { codes, needs };
}

test("a code that is asked for in good time is asked for as such, and the one that is pasted goes to the library", async () => {
  const { codes, needs } = await used();
  assert.equal(codes.untilMs, 1_000_000);
  const newer = codes.get(ANEW, true);
  assert.equal(codes.need, "soon");
  assert.equal(codes.renew(` Bearer ${B} `), null);
  assert.equal(await newer, B);
  assert.deepEqual(needs, ["soon", null]);
});

test("a code that has run out is asked for as such, however often the library asks, also where it was asked for before", async () => {
  const { codes } = await used();
  codes.get(ANEW, true);
  codes.refused("token_expired");
  assert.equal(codes.need, "over");
  const waiting = [codes.get(ANEW, false), codes.get(ANEW, false)];
  assert.equal(codes.need, "over");
  codes.renew(B);
  assert.deepEqual(await Promise.all(waiting), [B, B]);
  assert.equal(codes.need, null);
});

test("a wrong code brings back the one before while that holds, and loses nothing when it does not", async () => {
  const { codes } = await used();
  const newer = codes.get(ANEW, true);
  codes.renew(B);
  await newer;
  codes.refused("unauthorized");
  assert.equal(codes.need, "refused");
  assert.equal(await codes.get(ANEW, false), A);
  assert.equal(codes.need, "refused", "it still has to be told");
  codes.refused("token_expired");
  assert.equal(codes.need, "over_refused");
  codes.renew(B);
  codes.refused("forbidden");
  assert.equal(codes.need, "over_refused", "the one before has run out, and is not tried");
  codes.renew(C);
  assert.equal(await codes.get(ANEW, false), C);
});

test("a code from yesterday that is pasted by mistake does not replace the one that holds", async () => {
  const { codes } = await used();
  const newer = codes.get(ANEW, true);
  codes.renew(code("z", { exp: 500 }));
  await newer;
  codes.refused("token_expired");
  assert.equal(codes.need, "refused");
  assert.equal(await codes.get(ANEW, false), A);
});

test("a code that nobody has had yet is the newer one", async () => {
  const { codes } = await used();
  codes.refused("token_expired");
  codes.renew(B);
  assert.equal(await codes.get(ANEW, false), B);
  assert.equal(codes.need, null);
});

test("a mistake that shows from here never reaches the service, which would end the connection for it", async () => {
  const { codes } = await used();
  codes.get(ANEW, true);
  for (const [pasted, problem] of [["", "ticket.empty"], ["abc", "ticket.no_token"], [code("b", { role: "therapist" }), "ticket.wrong_role"], [code("b", { sub: "d" }), "ticket.other"]]) {
    assert.equal(codes.renew(pasted), problem);
    assert.equal(codes.need, "soon");
  }
  assert.equal(isForOther(code("b", { sid: "s2" }), code("a", { sid: "s1" })), true);
  assert.equal(isForOther(code("b", { sid: "s1" }), A), false);
  assert.equal(isForOther(B, code("a", { sid: "s1" })), false);
});
