// The participants' page: check of the device, consent, instructions, practice, the showings of a step, debriefing.
/* global initJsPsych, jsPsychFullscreen, jsPsychHtmlButtonResponse, jsPsychHtmlKeyboardResponse, jsPsychInstructions */

import { ClipPlugin } from "./clip.js";
import { checkDevice } from "./device.js";
import { practise } from "./practice.js";
import { ResponseQueue, Clips, Refused, forget, request } from "./server.js";
import * as sheets from "./sheets.js";
import { escape, heading, knows, paragraph, say, useTexts } from "./texts.js";
import { offerWithdrawal, showWithdrawal } from "./withdraw.js";

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

const sheet = (html) => `<div class="sheet">${html}</div>`;

const choose = (html, ...choices) =>
  run({ type: jsPsychHtmlButtonResponse, stimulus: sheet(html), choices: choices.map((key) => say(key)) });

function showSheet(html) {
  document.getElementById("display").innerHTML = sheet(html);
}

// Screen readers read a new page from its heading.
new MutationObserver(() => {
  const title = document.querySelector("#display .sheet h1");
  if (!title || title.hasAttribute("tabindex") || document.querySelector("#display .sheet input")) return;
  title.tabIndex = -1;
  title.focus();
}).observe(document.getElementById("display"), { childList: true, subtree: true });

// A form as a jsPsych trial; its data are the fields, and the button that was pressed.
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
    display.innerHTML = sheet(`<form>${html}</form>`);
    display.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      const fields = Object.fromEntries(new FormData(event.target));
      if (event.submitter?.name) fields[event.submitter.name] = event.submitter.value;
      this.jsPsych.finishTrial({ fields });
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

// Reads ids and language once and removes them from the URL; they survive a reload in this tab.
function readVisit() {
  const given = new URLSearchParams(location.search);
  history.replaceState(null, "", location.pathname);
  if (given.get("lang")) sessionStorage.setItem("language", given.get("lang"));
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

let study;
let me = { stage: "new" };

async function loadStudy(language) {
  const wanted = language ? `?lang=${encodeURIComponent(language)}` : "";
  study = await request("GET", `/api/study${wanted}`);
  useTexts(study);
  document.getElementById("network").textContent = say("page.offline");
  document.getElementById("withdraw").textContent = say("page.withdraw");
  document.getElementById("progress").setAttribute("aria-label", say("game.progress"));
}

async function changeLanguage(language) {
  sessionStorage.setItem("language", language);
  await loadStudy(language);
}

// Counts something of a visitor of whom nothing else is kept, once.
async function count(name) {
  if (sessionStorage.getItem(`counted ${name}`)) return;
  sessionStorage.setItem(`counted ${name}`, "1");
  await request("POST", "/api/count", { name }).catch(() => {});
}

// Tells the server which page the participant is at, to see where people leave.
const note = (page) => request("PUT", `/api/steps/${me.step}/page`, { name: page }).catch(() => {});

const isParticipant = () => Boolean(me.participant);

// The facts to keep of this device; the page stays at what is wrong until it is mended.
async function checkedDevice() {
  for (;;) {
    const { facts, problem } = await checkDevice(study, run, () => showSheet(sheets.checking()));
    if (facts) return facts;
    if (!isParticipant()) count(`unsuitable_${problem.reason}`);
    const { fields } = await run({ type: FormPlugin, html: sheets.unsuitable(study, problem) });
    if (fields.language) await changeLanguage(fields.language);
  }
}

async function decline(platform) {
  await count("declined");
  showWithdrawal(false);
  showSheet(sheets.declined(study, platform));
  return new Promise(() => {}); // nothing follows
}

async function askDemographics() {
  if (!study.demographics.length) return {};
  const { fields } = await run({ type: FormPlugin, html: sheets.about(study) });
  return Object.fromEntries(Object.entries(fields).filter(([, text]) => text.trim() !== ""));
}

async function enterCode() {
  let problem = null;
  for (;;) {
    const { fields } = await run({ type: FormPlugin, html: sheets.returnCode(problem) });
    try {
      return await request("POST", "/api/return", { code: fields.code });
    } catch (error) {
      if (error.code !== "unknown_code") throw error;
      problem = "return.unknown";
    }
  }
}

async function welcome(browser, ids) {
  for (;;) {
    const { fields } = await run({ type: FormPlugin, html: sheets.consent(study) });
    if (fields.language) await changeLanguage(fields.language);
    else if (fields.choice === "disagree") await decline(ids.platform);
    else if (fields.choice === "code") return enterCode();
    else break;
  }
  showWithdrawal(true);
  const demographics = await askDemographics();
  const joining = { consent: true, ...ids, demographics, browser, language: study.language };
  await request("POST", "/api/participants", joining);
  return request("GET", "/api/me");
}

async function prepare() {
  if (me.stage === "playing") {
    await choose(sheets.resume(me.next - 1, study.showings[me.step - 1]), "button.continue");
    return;
  }
  note("keyboard");
  await run({ type: jsPsychHtmlKeyboardResponse, stimulus: sheet(sheets.keyCheck(study)), choices: [study.key] });
  note("instructions");
  await run({
    type: jsPsychInstructions,
    pages: sheets.instructions(study, me.step).map(sheet),
    show_clickable_nav: true,
    button_label_previous: say("button.back"),
    button_label_next: say("button.continue"),
  });
  note("practice");
  await practise(study, me.step, run);
  note("ready");
}

const fullscreen = () => ({
  type: jsPsychFullscreen,
  message: sheet(sheets.ready()),
  button_label: say("button.start"),
  delay_after: 500,
});

// The role of a showing: only in a preview, where the server tells it.
function showRole(role) {
  const label = document.getElementById("role");
  label.hidden = !role;
  label.textContent = role ?? "";
}

function showProgress(done, total) {
  const bar = document.getElementById("progress");
  bar.hidden = done === null;
  bar.setAttribute("aria-valuenow", Math.round((100 * done) / total));
  document.getElementById("progress-bar").style.width = `${(100 * done) / total}%`;
}

// Sends the responses that an earlier page left behind, and ends the showing it left unfinished. A step that went on with
// another device may have left one too, of which this browser knows nothing.
async function catchUp(step, queue, next, resumed) {
  const cut = queue.takeOver();
  const sent = queue.waiting.filter((response) => response.step === step).map((response) => response.position);
  const elsewhere = resumed && next > Math.max(queue.reached(step), ...sent.map((last) => last + 1));
  await queue.send();
  const position = Math.max(next, ...sent.map((last) => last + 1));
  queue.noteReached(step, position);
  if (!elsewhere && !cut.some((showing) => showing.step === step && showing.position === position)) return position;
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

// A server that no longer knows a browser in the middle of a step: the participant has gone on with another one.
const replaced = (error) => (error.code === "unknown" ? new Refused(error.status, { error: "elsewhere" }) : error);

async function play(study, me, session) {
  const started = await request("POST", `/api/steps/${me.step}/begin`, { page: pageName, ...session });
  try {
    await playOn(study, me, started);
  } catch (error) {
    throw replaced(error);
  }
}

async function playOn(study, me, started) {
  const clips = new Clips(me.step, started.showings);
  let fail;
  const failure = new Promise((_, reject) => (fail = reject));
  failure.catch(() => {});
  const queue = new ResponseQueue(me.participant, pageName, fail);
  const resumed = me.stage === "playing" || started.next > 1;
  const position = await Promise.race([catchUp(me.step, queue, started.next, resumed), failure]);
  queue.onStored = (next) => clips.ahead(next, study.clips_ahead);
  if (position <= started.showings) {
    clips.ahead(position, study.clips_ahead);
    showSheet(paragraph("game.loading"));
    const first = Array.from({ length: study.clips_ahead + 1 }, (_, index) => position + index);
    const loads = first.filter((next) => next <= started.showings).map((next) => loadClip(clips, queue, next));
    await Promise.race([Promise.all(loads), failure]);
    await Promise.race([showAll(study, me, { clips, queue, first: position, last: started.showings }), failure]);
  }
  if (queue.waiting.length) showSheet(paragraph("game.sending"));
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

// What happens between the first page and the last; true if a step was played.
async function takePart(visit) {
  let played = false;
  while (["new", "ready", "playing"].includes(me.stage)) {
    const browser = await checkedDevice();
    if (me.stage === "new") me = await welcome(browser, visit.ids);
    if (!["ready", "playing"].includes(me.stage)) continue;
    showWithdrawal(true);
    await prepare();
    await run(fullscreen());
    try {
      played = true;
      note("game");
      await play(study, me, visit.session);
    } catch (error) {
      // Over, or withdrawn in another window.
      if (!(error instanceof Refused) || !["over", "not_started"].includes(error.code)) throw error;
    } finally {
      await leaveGame();
    }
    const { step } = me;
    me = { ...(await request("GET", "/api/me")), played: step };
  }
  return played;
}

async function finish(played, back) {
  const step = me.played ?? me.step;
  const withdrawn = me.stage === "withdrawn";
  if (withdrawn) forget(me.participant);
  showWithdrawal(isParticipant() && !withdrawn);
  if (played && ["finished", "closed", "technical", "late"].includes(me.stage)) {
    me.step = step;
    note("debriefing");
    await choose(sheets.debriefing(), "button.continue");
  }
  if (played) {
    me.step = step;
    note("end");
  }
  showSheet(sheets.stage(me, study, back && !played));
}

async function main() {
  const visit = readVisit();
  const chosen = sessionStorage.getItem("language");
  await loadStudy(chosen);
  if (visit.preview) return showSheet(sheets.acceptFirst());
  count("opened");
  me = visit.arrived ? await request("POST", "/api/arrive", visit.ids) : await request("GET", "/api/me");
  if (me.language && !chosen) await loadStudy(me.language);
  offerWithdrawal({
    isParticipant,
    withdrawn: () => location.reload(),
    declined: () => decline(visit.ids.platform),
    failed: showProblem,
  });
  const back = visit.arrived && me.stage !== "ready";
  await finish(await takePart(visit), back);
}

function showProblem(error) {
  const admission = ["not_open", "study_closed", "full", "paused"].includes(error.code) ? "not_admitted" : error.code;
  const key = knows(`error.${admission}`) ? `error.${admission}` : "error.failed";
  const again = error instanceof Refused && error.code !== "elsewhere" ? paragraph("error.reload") : "";
  const details = key === "error.failed" ? `<p class="small">${escape(error.message)}</p>` : "";
  showSheet(heading("error.title") + paragraph(key) + details + again);
}

main().catch(showProblem);
