// The participants' page: consent, checks, instructions, then the showings of a step.
/* global initJsPsych, jsPsychBrowserCheck, jsPsychFullscreen, jsPsychHtmlButtonResponse, jsPsychHtmlKeyboardResponse,
   jsPsychInstructions */

import { ClipPlugin } from "./clip.js";
import { ResponseQueue, Clips, Refused, request } from "./server.js";
import * as texts from "./texts.js";

const pageName = crypto.getRandomValues(new Uint32Array(6)).join("-").slice(0, 60);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function newJsPsych() {
  document.getElementById("display").replaceChildren();
  return initJsPsych({ display_element: "display", minimum_valid_rt: 1 });
}

async function run(...timeline) {
  const jsPsych = newJsPsych();
  await jsPsych.run(timeline);
  return jsPsych.data.get().last(1).values()[0];
}

const choose = (html, ...choices) =>
  run({ type: jsPsychHtmlButtonResponse, stimulus: `<main class="sheet">${html}</main>`, choices });

function showSheet(html) {
  document.getElementById("display").innerHTML = `<main class="sheet">${html}</main>`;
}

// A form as a jsPsych trial; its data are the fields.
class FormPlugin {
  static info = {
    name: "form",
    version: "1.0.0",
    parameters: { html: { type: "HTML_STRING", default: undefined } },
    data: { fields: { type: "OBJECT" } },
  };

  constructor(jsPsych) {
    this.jsPsych = jsPsych;
  }

  trial(display, { html }) {
    display.innerHTML = `<main class="sheet"><form>${html}</form></main>`;
    display.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.jsPsych.finishTrial({ fields: Object.fromEntries(new FormData(event.target)) });
    });
    display.querySelector("input, select")?.focus();
  }
}

// The names under which recruiting platforms put ids into the URL: the participant's, the study's, the session's.
const PLATFORM_NAMES = {
  prolific: ["PROLIFIC_PID", "STUDY_ID", "SESSION_ID"],
  mturk: ["workerId", "hitId", "assignmentId"],
  sona: ["survey_code", "experiment_id", "session"],
  connect: ["participantId", "projectId", "assignmentId"],
  link: ["id", "study", "session"],
};

// Reads the ids once and removes them from the URL; they survive a reload in this tab.
function readVisit() {
  const given = new URLSearchParams(location.search);
  history.replaceState(null, "", location.pathname);
  for (const [platform, names] of Object.entries(PLATFORM_NAMES)) {
    const [platform_id, study_id, session_id] = names.map((name) => given.get(name) || undefined);
    const preview = session_id === "ASSIGNMENT_ID_NOT_AVAILABLE";
    if (!platform_id && !preview) continue;
    const visit = { ids: { platform, platform_id }, session: { study_id, session_id }, preview };
    sessionStorage.setItem("visit", JSON.stringify(visit));
    return { ...visit, arrived: true };
  }
  return JSON.parse(sessionStorage.getItem("visit") || '{"ids": {}, "session": {}}');
}

function browserProblem(study, browser) {
  const video = document.createElement("video");
  const unplayable = study.media_types.filter((type) => !video.canPlayType(type));
  if (browser.mobile) return "This study needs a computer with a keyboard. Please open this page on one.";
  if (unplayable.length) return `This browser cannot play ${unplayable.join(", ")}. Please use a current version of Chrome, Edge or Firefox.`;
  try {
    localStorage.setItem("check", "1");
    localStorage.removeItem("check");
  } catch {
    return "This browser does not allow this page to store data. Please allow it, or use a window that is not private.";
  }
  return null;
}

// The device cannot play the game.
class Unsuitable extends Error {}

function deviceKind(mobile) {
  if (mobile) return Math.min(screen.width, screen.height) < 600 ? "phone" : "tablet";
  return matchMedia("(any-pointer: fine)").matches ? "computer" : "tablet";
}

async function checkBrowser(study) {
  const features = ["width", "height", "browser", "browser_version", "mobile", "os", "fullscreen"];
  const browser = await run({ type: jsPsychBrowserCheck, features });
  const problem = browserProblem(study, browser);
  if (problem) throw new Unsuitable(problem);
  return {
    ...Object.fromEntries(features.map((name) => [name, browser[name] ?? null])),
    device: deviceKind(browser.mobile),
    screen_width: screen.width,
    screen_height: screen.height,
    automation: navigator.webdriver === true,
  };
}

const questionField = ({ name, question, choices }, number) => {
  const id = `question-${number}`;
  const options = choices.map((text) => `<option>${texts.escape(text)}</option>`).join("");
  const field = choices.length
    ? `<select id="${id}" name="${texts.escape(name)}"><option value=""></option>${options}</select>`
    : `<input id="${id}" name="${texts.escape(name)}" maxlength="200" autocomplete="off">`;
  return `<label for="${id}">${texts.escape(question)}</label>${field}`;
};

async function askDemographics(study) {
  if (!study.demographics.length) return {};
  const html =
    "<h2>About you</h2><p>You may skip any question.</p>" +
    study.demographics.map(questionField).join("") +
    "<button>Continue</button>";
  const { fields } = await run({ type: FormPlugin, html });
  return Object.fromEntries(Object.entries(fields).filter(([, text]) => text.trim() !== ""));
}

async function enterCode() {
  let problem = "";
  for (;;) {
    const html = `<h2>Welcome back</h2><label for="code">Your return code</label>
      <input id="code" name="code" required maxlength="40" autocomplete="off" placeholder="XXXX-XXXX-XXXX-XXXX">
      <p class="problem" role="alert">${texts.escape(problem)}</p><button>Continue</button>`;
    const { fields } = await run({ type: FormPlugin, html });
    try {
      return await request("POST", "/api/return", { code: fields.code });
    } catch (error) {
      if (error.code !== "unknown_code") throw error;
      problem = error.message;
    }
  }
}

async function welcome(study, browser, ids) {
  const { response } = await choose(texts.consent(study), "I agree to take part", "I have a return code");
  if (response === 1) return enterCode();
  const demographics = await askDemographics(study);
  await request("POST", "/api/participants", { consent: true, ...ids, demographics, browser });
  return request("GET", "/api/me");
}

async function prepare(study, me) {
  if (me.stage === "playing") {
    await choose(`<h1>Welcome back</h1><p>You have seen ${me.next - 1} of ${study.showings[me.step - 1]} clips.</p>`, "Continue");
    return;
  }
  const pages = texts.instructions(study, me.step).map((html) => `<main class="sheet">${html}</main>`);
  await run(
    { type: jsPsychHtmlKeyboardResponse, stimulus: `<main class="sheet">${texts.keyCheck(study.key)}</main>`, choices: [study.key] },
    { type: jsPsychInstructions, pages, show_clickable_nav: true, button_label_previous: "Back", button_label_next: "Continue" },
  );
}

const fullscreen = {
  type: jsPsychFullscreen,
  message: '<main class="sheet"><h2>Ready?</h2><p>The game uses the whole screen and starts right away.</p></main>',
  button_label: "Start",
  delay_after: 500,
};

// The role of a showing: only in a preview, where the server tells it.
function showRole(role) {
  const label = document.getElementById("role");
  label.hidden = !role;
  label.textContent = role ?? "";
}

function showProgress(done, total) {
  document.getElementById("progress").hidden = done === null;
  document.getElementById("progress-bar").style.width = `${(100 * done) / total}%`;
}

// Sends the responses that an earlier page left behind, and ends the showing it left unfinished.
async function catchUp(step, queue, next) {
  const cut = queue.takeOver();
  const sent = queue.waiting.filter((response) => response.step === step).map((response) => response.position);
  await queue.send();
  const position = Math.max(next, ...sent.map((last) => last + 1));
  if (!cut.some((showing) => showing.step === step && showing.position === position)) return position;
  await queue.add({ step, position, rt_ms: null, note: "interrupted" });
  return position + 1;
}

async function loadClip(clips, queue, position) {
  for (;;) {
    try {
      return await clips.load(position);
    } catch (error) {
      if (error.code !== "not_yet") throw error;
      await queue.sending;
      await pause(200);
    }
  }
}

async function play(study, me, session) {
  const started = await request("POST", `/api/steps/${me.step}/begin`, { page: pageName, ...session });
  const clips = new Clips(me.step, started.showings);
  let fail;
  const failure = new Promise((_, reject) => (fail = reject));
  failure.catch(() => {});
  const queue = new ResponseQueue(me.participant, pageName, fail);
  const position = await Promise.race([catchUp(me.step, queue, started.next), failure]);
  queue.onStored = (next) => clips.ahead(next, study.clips_ahead);
  if (position <= started.showings) {
    clips.ahead(position, study.clips_ahead);
    showSheet("<p>Loading the first clips …</p>");
    const first = Array.from({ length: study.clips_ahead + 1 }, (_, index) => position + index);
    const loads = first.filter((next) => next <= started.showings).map((next) => loadClip(clips, queue, next));
    await Promise.race([Promise.all(loads), failure]);
    await Promise.race([showAll(study, me, { clips, queue, first: position, last: started.showings }), failure]);
  }
  if (queue.waiting.length) showSheet("<p>Sending your last responses …</p>");
  await Promise.race([queue.sending, failure]);
}

async function showAll(study, me, { clips, queue, first, last }) {
  const jsPsych = newJsPsych();
  document.body.classList.add("playing");
  for (let position = first; position <= last; position += 1) {
    showProgress(position - 1, last);
    const gap = pause(study.gap_ms);
    const { url, proof, role } = await loadClip(clips, queue, position);
    await gap;
    showRole(role);
    await jsPsych.run([
      {
        type: ClipPlugin,
        url,
        key: study.key,
        window_ms: study.window_ms,
        rt_min_ms: study.rt_min_ms,
        stall_max_ms: study.stall_max_ms,
        on_shown: () => {
          queue.showing = { step: me.step, position };
        },
      },
    ]);
    const { rt, note, playback } = jsPsych.data.get().last(1).values()[0];
    queue.add({ step: me.step, position, rt_ms: rt, note, playback, proof });
    queue.showing = null;
    clips.drop(position);
  }
  showProgress(last, last);
}

async function leaveGame() {
  document.body.classList.remove("playing");
  showProgress(null, 1);
  showRole(null);
  if (document.fullscreenElement) await document.exitFullscreen().catch(() => {});
}

let study;

async function main() {
  const visit = readVisit();
  study = await request("GET", "/api/study");
  document.title = study.title;
  if (visit.preview) return showSheet(texts.acceptFirst);
  let me = visit.arrived ? await request("POST", "/api/arrive", visit.ids) : await request("GET", "/api/me");
  const back = visit.arrived && me.stage !== "ready";
  let played = false;
  while (["new", "ready", "playing"].includes(me.stage)) {
    const browser = await checkBrowser(study);
    if (me.stage === "new") me = await welcome(study, browser, visit.ids);
    if (!["ready", "playing"].includes(me.stage)) continue;
    await prepare(study, me);
    await run(fullscreen);
    try {
      played = true;
      await play(study, me, visit.session);
    } catch (error) {
      if (!(error instanceof Refused) || error.code !== "over") throw error;
    } finally {
      await leaveGame();
    }
    me = await request("GET", "/api/me");
  }
  showSheet(texts.stage(me, study, back && !played));
}

main().catch((error) => {
  if (error instanceof Unsuitable) return showSheet(texts.unsuitable(error.message, study.screened_out));
  const again = error.code === "elsewhere" ? "" : "<p>Please reload the page to continue.</p>";
  showSheet(`<h1>The game stopped</h1><p>${texts.escape(error.message)}</p>${error instanceof Refused ? again : ""}`);
});
