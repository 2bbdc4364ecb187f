/** In: the page. Out: the steps before a session, then the session; words, colours, and the code that opens it. */

import { Session } from "../../client/index.js";
import { byId, setText, show } from "../shared/dom.js";
import { themeSwitch } from "../shared/theme.js";
import { takeToken } from "../shared/token.js";
import { fill, keepLanguage, pageWords, Words } from "../shared/words.js";
import { Codes } from "./codes.js";
import { Stage } from "./stage.js";
import { Start, problemOfTicket } from "./start.js";
import { en } from "./words/en.js";
import { ru } from "./words/ru.js";

const DICTIONARIES = { en, ru };

// Before anything else: the fragment must be gone from the address bar.
const given = takeToken(location, history);
const theme = themeSwitch(document);
let words = pageWords(DICTIONARIES);
let stage = null;

const codes = new Codes(given, (need) => { if (stage) stage.codeNeed = need; });
const start = new Start(words, { give: (code) => codes.begin(code), begin, theme: shownTheme });

/** @returns {"light" | "dark"} */
function shownTheme() {
  if (theme.theme !== "auto") return /** @type {"light" | "dark"} */ (theme.theme);
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

function speak() {
  document.documentElement.lang = words.language;
  document.title = words.t("title");
  fill(document, words);
  setText(byId("theme"), words.t(`theme.${theme.theme}`));
  start.speak(words);
}

/** @param {{source: any, readiness: object, makeEngine: (canvas: HTMLCanvasElement) => any}} all */
function begin({ source, readiness, makeEngine }) {
  show(byId("stage"), true);
  const engine = makeEngine(byId("light"));
  const session = new Session({
    url: "v1/stream", getToken: (wish) => codes.get(wish, session.connected), onBadToken: "ask", source, readiness,
  });
  stage = new Stage(words, session, engine, {
    ticket: (pasted) => codes.renew(pasted), again: () => location.reload(), camera: () => source.open?.(), untilMs: () => codes.untilMs,
  });
  // Before there is a session, a code that is refused is the end of it; one that has run out is asked for anew.
  session.on("error", ({ code, fatal }) => { if (fatal && (session.sessionId !== null || code === "token_expired")) codes.refused(code); });
  // What it takes to come back is in the memory of this page alone: a reload by mistake would end the session.
  let isOver = false;
  session.on("closed", () => { isOver = true; });
  addEventListener("beforeunload", (event) => { if (session.sessionId !== null && !isOver) event.preventDefault(); });
  session.open();
}

byId("theme").addEventListener("click", () => setText(byId("theme"), words.t(`theme.${theme.next()}`)));
byId("language").addEventListener("click", () => {
  const language = words.language === "en" ? "ru" : "en";
  keepLanguage(language);
  words = new Words(DICTIONARIES, language);
  speak();
});

speak();
const problem = given === null ? null : problemOfTicket(given);
if (problem) codes.forget();
if (given === null || problem) start.show("ticket", problem);
else start.welcome(given);
