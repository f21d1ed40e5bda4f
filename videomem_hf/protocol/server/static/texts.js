// What participants read.

export const escape = (text) =>
  String(text).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

export const keyName = (key) => (key === " " ? "space bar" : `${key} key`);

const paragraphs = (text) =>
  text
    .trim()
    .split(/\n\s*\n/)
    .map((part) => `<p>${escape(part)}</p>`)
    .join("");

export const when = (ms) =>
  new Date(ms).toLocaleString(undefined, { weekday: "long", day: "numeric", month: "long", hour: "2-digit", minute: "2-digit" });

const minutes = (study, step) => {
  const number = Math.ceil((study.showings[step - 1] * (study.window_ms + study.gap_ms)) / 60000);
  return number > 1 ? `${number} minutes` : "a minute";
};

export const consent = (study) =>
  `<h1>${escape(study.title)}</h1><div class="consent">${paragraphs(study.consent)}</div>` +
  (study.contact ? `<p>Questions? Contact ${escape(study.contact)}.</p>` : "") +
  `<p>The first part takes up to ${minutes(study, 1)}. You need a computer with a keyboard.</p>`;

export const instructions = (study, step) => {
  const key = keyName(study.key);
  const example = (number) =>
    number < study.examples
      ? `<figure><video src="/examples/${number}" autoplay loop muted playsinline></video><figcaption>An example</figcaption></figure>`
      : "";
  const first =
    step === 1
      ? `<h2>Watch</h2><p>You will see ${study.showings[0]} short clips without sound, one after another. Please watch each of them.</p>`
      : `<h2>Watch</h2><p>You will see ${study.showings[1]} short clips. You saw some of them in the first part; the others are new.</p>`;
  const second =
    step === 1
      ? `<h2>Recognise</h2><p>Some clips are shown twice. As soon as you recognise a clip that you have <b>already seen here</b>,
         press the <kbd>${key}</kbd>. The next clip then starts. If a clip is new to you, do not press anything and watch it to the end.</p>`
      : `<h2>Recognise</h2><p>As soon as you recognise a clip <b>from the first part</b>, press the <kbd>${key}</kbd>.
         The next clip then starts. If a clip is new to you, do not press anything and watch it to the end.</p>`;
  const third = `<h2>No breaks, please</h2><p>This part takes up to ${minutes(study, step)}. Please stay in this window and do
    nothing else until it is finished. If you reload the page, the clip on the screen ends and the next one follows. After a
    pause of more than ${study.pause_max_min} minutes you cannot continue.</p>`;
  return [first + example(0), second + example(1), third];
};

export const keyCheck = (key) =>
  `<h2>Your keyboard</h2><p>Press the <kbd>${keyName(key)}</kbd> to continue.</p>`;

const codeBlock = (name, code, link) =>
  `<div class="code"><span>${name}</span><strong>${escape(code)}</strong></div>` +
  (link ? `<p><a class="button" href="${escape(link)}" rel="noreferrer">Submit it</a></p>` : "");

const codes = (completed) =>
  completed.map(({ step, code, link }) => codeBlock(`Completion code of part ${step}`, code, link)).join("");

export const acceptFirst =
  "<h1>Please accept the task first</h1><p>This is a preview. The study starts when you have accepted the task.</p>";

export const unsuitable = (problem, { code, link }) =>
  `<h1>This device cannot play the game</h1><p>${escape(problem)}</p>` + (code ? codeBlock("Completion code", code, link) : "");

const closedDoors = {
  not_open: (study) => `<h1>The study is not open yet</h1><p>It opens on <b>${when(study.opens_ms)}</b>. Please come back then.</p>`,
  study_closed: () => "<h1>The study is closed</h1><p>Nobody can join any more. Thank you for your interest.</p>",
  paused: (study, me) => `<h1>The study is paused</h1><p>${escape(me.message || "Please come back later.")}</p>`,
  full: () => "<h1>The study is full</h1><p>Enough people have taken part. Thank you for your interest.</p>",
};

// `back`: the participant came from the recruiting platform and has not played since.
export const stage = (me, study, back) => {
  if (closedDoors[me.stage]) return closedDoors[me.stage](study, me);
  const number = `<p class="small">Your participant number is ${escape(me.participant)}. If you want your data to be deleted, quote this number.</p>`;
  const last = codes(me.completed) + number;
  if (me.stage === "finished" && back)
    return `<h1>You have already taken part</h1><p>Everyone can take part once. Thank you.</p>${last}`;
  if (me.stage === "finished") return `<h1>Thank you</h1><p>You have completed the study.</p>${last}`;
  if (me.stage === "late") return `<h1>The second part is closed</h1><p>It was open until ${when(me.closes_ms)}.</p>${last}`;
  if (me.stage === "closed")
    return `<h1>This part is over</h1><p>The pause was too long, or too many clips were interrupted. Thank you for your time.</p>${last}`;
  if (me.stage === "technical")
    return `<h1>Too many clips could not be shown</h1><p>Too many clips did not play as they should on this device, so this part
      ended early. That is not your fault, and you will be paid for it. Thank you for your time.</p>${last}`;
  const code = me.return_code
    ? `<p>To return on this computer, simply open this page again. On another computer you need this code. Please write it down:</p>
       <div class="code"><span>Return code</span><strong>${escape(me.return_code)}</strong></div>`
    : "";
  const title = back ? "The second part is not open yet" : "Thank you, the first part is done";
  return `<h1>${title}</h1>
    <p>The second part takes up to ${minutes(study, 2)}. You can take it from <b>${when(me.opens_ms)}</b> until
    <b>${when(me.closes_ms)}</b>.</p>${me.message ? `<p>${escape(me.message)}</p>` : ""}${code}${last}`;
};
