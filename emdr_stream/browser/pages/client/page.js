/** In: the page. Out: the steps before a session, then the session; words, colours, and the code that opens it. */

import { Session } from "../../client/index.js";
import { byId, setText, show } from "../shared/dom.js";
import { themeSwitch } from "../shared/theme.js";
import { TokenKeeper, clean, takeToken } from "../shared/token.js";
import { fill, keepLanguage, pageWords, Words } from "../shared/words.js";
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

const keeper = new TokenKeeper(given, () => { if (stage) stage.ticketNeeded = true; });
const start = new Start(words, { give: (token) => keeper.give(token), begin, theme: shownTheme });

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
  const session = new Session({ url: "v1/stream", getToken: (wish) => keeper.get(wish), source, readiness });
  stage = new Stage(words, session, engine, {
    ticket: renewed, again: () => location.reload(), camera: () => source.open?.(),
  });
  // What it takes to come back is in the memory of this page alone: a reload by mistake would end the session.
  let isOver = false;
  session.on("closed", () => { isOver = true; });
  addEventListener("beforeunload", (event) => { if (session.sessionId !== null && !isOver) event.preventDefault(); });
  session.open();
}

/** @param {string} pasted @returns {string | null} key of what is wrong with it */
function renewed(pasted) {
  const problem = problemOfTicket(pasted);
  if (problem) return problem;
  stage.ticketNeeded = false;
  keeper.give(clean(pasted));
  return null;
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
if (problem) keeper.forget();
if (given === null || problem) start.show("ticket", problem);
else start.welcome(given);
