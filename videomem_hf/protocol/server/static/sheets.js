// The pages of text that a participant reads, as markup.

import { drawing } from "./pictures.js";
import { duration, escape, heading, key, minutes, paragraph, paragraphs, say, when } from "./texts.js";

const choice = (name, text, quiet) => `<button name="choice" value="${name}"${quiet ? ' class="quiet"' : ""}>${say(text)}</button>`;

const languages = (study) => {
  const codes = Object.keys(study.languages);
  if (codes.length < 2) return "";
  const buttons = codes.map((code) => {
    const current = code === study.language ? ' aria-current="true"' : "";
    return `<button name="language" value="${escape(code)}" lang="${escape(code)}" class="link"${current}>${escape(study.languages[code])}</button>`;
  });
  return `<nav class="languages" aria-label="${say("page.language")}">${buttons.join("")}</nav>`;
};

export const consent = (study) =>
  `${languages(study)}<h1>${escape(study.title)}</h1><div class="consent">${paragraphs("consent.text")}</div>` +
  (study.contact ? paragraph("consent.contact", { contact: study.contact }) : "") +
  paragraph("consent.duration", { minutes: duration(study, 1) }) +
  `<div class="buttons">${choice("agree", "button.agree")}${choice("disagree", "button.disagree", true)}${choice("code", "button.return_code", true)}</div>`;

export const checking = () => heading("check.title") + paragraph("check.text");

export const unsuitable = (study, { reason, values, again }) =>
  languages(study) +
  heading("unsuitable.title") +
  paragraph(`unsuitable.${reason}`, values) +
  codeBlock("code.completion", study.screened_out) +
  (again ? `<div class="buttons">${choice("again", "button.check_again")}</div>` : "");

export const declined = (study, platform) =>
  heading("declined.title") +
  paragraph("declined.text") +
  (platform ? paragraph("declined.platform") : "") +
  codeBlock("code.completion", study.declined);

const questionField = ({ name, question, choices }, number) => {
  const id = `question-${number}`;
  const options = choices.map(([value, text]) => `<option value="${escape(value)}">${escape(text)}</option>`).join("");
  const field = choices.length
    ? `<select id="${id}" name="${escape(name)}"><option value="">${say("about.no_answer")}</option>${options}</select>`
    : `<input id="${id}" name="${escape(name)}" maxlength="200" autocomplete="off">`;
  return `<label for="${id}">${escape(question)}</label>${field}`;
};

export const about = (study) =>
  heading("about.title") +
  paragraph("about.skip") +
  study.demographics.map(questionField).join("") +
  `<button>${say("button.continue")}</button>`;

export const returnCode = (problem) => `${heading("resume.title")}<label for="code">${say("return.label")}</label>
  <input id="code" name="code" required maxlength="40" autocomplete="off" placeholder="XXXX-XXXX-XXXX-XXXX" aria-describedby="problem">
  <p class="problem" id="problem" role="alert">${problem ? say(problem) : ""}</p><button>${say("button.continue")}</button>`;

export const resume = (seen, all) => heading("resume.title") + paragraph("resume.text", { seen, all });

export const keyCheck = (study) => heading("keyboard.title") + paragraph("keyboard.text", { key: key(study.key) });

export const instructions = (study, step) => {
  const example = (number) =>
    number < study.examples
      ? `<figure><video src="/examples/${number}" autoplay loop muted playsinline controls aria-label="${say("example.caption")}"></video>
         <figcaption>${say("example.caption")}</figcaption></figure>`
      : "";
  const pause = minutes(study.pause_max_min);
  return [
    heading("watch.title") + drawing("watch", step) + paragraph(`watch.step${step}`, { count: study.showings[step - 1] }) + example(0),
    heading("recognise.title") + drawing("recognise", step) + paragraph(`recognise.step${step}`, { key: key(study.key) }) + example(1),
    heading("breaks.title") + drawing("breaks", step) + paragraph("breaks.text", { minutes: duration(study, step), pause }),
  ];
};

export const practice = (step, count) => heading("practice.title") + paragraph(`practice.step${step}`, { count });

export const feedback = (outcome, study) => {
  const right = outcome === "hit" || outcome === "rejection";
  return `<h1 class="verdict ${right ? "right" : "wrong"}">${say(`practice.${outcome}`, { key: key(study.key) })}</h1>`;
};

export const practised = (right, count) => heading("practice.done.title") + paragraph("practice.done", { right, count });

export const ready = () => heading("ready.title") + paragraph("ready.text");

export const debriefing = () => heading("debriefing.title") + paragraphs("debriefing.text");

export const withdrawal = () =>
  `<form method="dialog"><h2 id="withdrawal-title">${say("withdraw.title")}</h2>${paragraph("withdraw.text")}
  <div class="buttons"><button value="">${say("withdraw.cancel")}</button>
  <button value="kept_out" class="quiet">${say("withdraw.keep_out")}</button>
  <button value="deleted" class="quiet">${say("withdraw.delete")}</button></div></form>`;

const codeBlock = (name, { code, link }, values) =>
  code
    ? `<div class="code"><span>${say(name, values)}</span><strong>${escape(code)}</strong></div>` +
      (link ? `<p><a class="button" href="${escape(link)}" rel="noreferrer">${say("button.submit")}</a></p>` : "")
    : "";

const codes = (completed) =>
  completed.map((each) => codeBlock(each.step ? "code.step" : "code.completion", each, { step: each.step })).join("");

export const acceptFirst = () => heading("accept.title") + paragraph("accept.text");

const closedDoors = ["not_open", "study_closed", "paused", "full"];

const waiting = (me, study, back) =>
  heading(back ? "waiting.early" : "waiting.title") +
  paragraph("waiting.text", { minutes: duration(study, 2), opens: when(me.opens_ms), closes: when(me.closes_ms) }) +
  (me.message ? `<p>${escape(me.message)}</p>` : "") +
  (me.return_code ? paragraph("waiting.return") + codeBlock("code.return", { code: me.return_code }) : "");

// The last page, by the participant's stage. `back`: they came from the recruiting platform and have not played since.
export const stage = (me, study, back) => {
  if (me.stage === "withdrawn")
    return heading("withdrawn.title") + paragraph(`withdrawn.${me.data}`) + codes(me.completed);
  if (closedDoors.includes(me.stage)) {
    const own = me.stage === "paused" && me.message ? `<p>${escape(me.message)}</p>` : null;
    return heading(`${me.stage}.title`) + (own ?? paragraph(`${me.stage}.text`, { time: when(study.opens_ms) }));
  }
  const number = `<p class="small">${say("number", { number: me.participant })}</p>`;
  if (me.stage === "waiting") return waiting(me, study, back) + codes(me.completed) + number;
  const name = me.stage === "finished" && back ? "again" : me.stage;
  const told = `<details><summary>${say("debriefing.title")}</summary>${paragraphs("debriefing.text")}</details>`;
  return heading(`${name}.title`) + paragraph(`${name}.text`, { time: when(me.closes_ms) }) + codes(me.completed) + told + number;
};
