// The practice before a step: clips that are in neither step, with feedback after each. Its responses are kept apart.
/* global jsPsychHtmlButtonResponse */

import { ClipPlugin } from "./clip.js";
import { request } from "./server.js";
import * as sheets from "./sheets.js";
import { say } from "./texts.js";

// A key that is still held must not press the button of the feedback.
const SETTLE_MS = 400;
// The server stores no more rounds (ROUNDS_MAX in practice.py).
const ROUNDS_MAX = 20;

async function showOne(study, step, clip, run) {
  const blob = await request("GET", `/practice/${clip}`, undefined, (response) => response.blob());
  const url = URL.createObjectURL(blob);
  const { window_ms, rt_min_ms, stall_max_ms } = study;
  document.body.classList.add("playing");
  const shown = await run({ type: ClipPlugin, url, key: study.key, window_ms, rt_min_ms, stall_max_ms });
  document.body.classList.remove("playing");
  URL.revokeObjectURL(url);
  return { rt_ms: shown.rt, note: shown.note };
}

function judge(pressed, repeat, note) {
  if (note === "unplayable") return "failed";
  if (repeat) return pressed ? "hit" : "miss";
  return pressed ? "false_alarm" : "rejection";
}

// Practises until the participant goes on.
export async function practise(study, step, run) {
  const clips = study.practice_clips[step - 1];
  if (!clips.length) return;
  const choose = (html, ...choices) =>
    run({
      type: jsPsychHtmlButtonResponse,
      stimulus: `<div class="sheet">${html}</div>`,
      choices: choices.map((key) => say(key)),
      enable_button_after: SETTLE_MS,
    });
  await choose(sheets.practice(step, clips.length), "button.start");
  for (let round = 1; ; round += 1) {
    let right = 0;
    for (const [index, clip] of clips.entries()) {
      const response = await showOne(study, step, clip, run);
      const { repeat } = await request("PUT", `/api/steps/${step}/practice`, { round, position: index + 1, ...response });
      const outcome = judge(response.rt_ms !== null, repeat, response.note);
      right += outcome === "hit" || outcome === "rejection";
      await choose(sheets.feedback(outcome, study), "button.continue");
    }
    const again = round < ROUNDS_MAX ? ["button.practise_again"] : [];
    const { response } = await choose(sheets.practised(right, clips.length), "button.continue", ...again);
    if (response === 0) return;
  }
}
