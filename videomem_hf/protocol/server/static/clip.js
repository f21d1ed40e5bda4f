// A jsPsych plugin: shows one clip and records one key press, timed from the first frame on the screen. A showing whose
// clip did not start, was hidden, stood still or ended before its time has a note that says so.

import { say } from "./texts.js";

const START_MAX_MS = 15000;
// How far a clip's end may differ from the length that its file states.
const EARLY_S = 0.5;

// A key that is held down since before a clip is no press; jsPsych knows of held keys only within one run of it.
window.addEventListener(
  "keydown",
  (event) => {
    if (event.repeat && document.querySelector("video.clip")) event.stopImmediatePropagation();
  },
  true,
);

export class ClipPlugin {
  static info = {
    name: "clip",
    version: "1.0.0",
    parameters: {
      // URL of the loaded clip.
      url: { type: "STRING", default: undefined },
      // The key that ends the showing.
      key: { type: "KEY", default: " " },
      // Response window in ms; the showing ends with it.
      window_ms: { type: "INT", default: 7000 },
      // A press within this time cannot be a response to the clip; the showing goes on.
      rt_min_ms: { type: "INT", default: 100 },
      // Longest standstill in ms.
      stall_max_ms: { type: "INT", default: 500 },
      // Called when the first frame is on the screen.
      on_shown: { type: "FUNCTION", default: () => {} },
    },
    data: {
      // Milliseconds from the first frame to the press; null without one.
      rt: { type: "INT" },
      // "unplayable", "hidden", "stalled", "ended_early" or null.
      note: { type: "STRING" },
      // How the clip played (see Playback in game.py).
      playback: { type: "OBJECT" },
    },
  };

  constructor(jsPsych) {
    this.api = jsPsych.pluginAPI;
    this.jsPsych = jsPsych;
  }

  trial(display, { url, key, window_ms, rt_min_ms, stall_max_ms, on_shown }) {
    display.innerHTML = `<video class="clip" playsinline disablepictureinpicture aria-label="${say("game.clip")}"></video>`;
    const video = display.querySelector("video");
    const hidden = { since: null, total: 0 };
    let shown = null;
    let length = Infinity;
    let over = false;

    const measure = () => {
      const now = performance.now();
      const quality = video.getVideoPlaybackQuality?.() ?? {};
      const due = shown ? Math.min((now - shown.at) / 1000, Math.min(length, video.duration || Infinity) - shown.time) : 0;
      const stalled = shown ? Math.max(0, due - (video.currentTime - shown.time)) : 0;
      return {
        hidden_ms: Math.round(hidden.total + (hidden.since === null ? 0 : now - hidden.since)),
        stalled_ms: Math.round(stalled * 1000),
        frames: quality.totalVideoFrames ?? null,
        frames_dropped: quality.droppedVideoFrames ?? null,
        window_width: window.innerWidth,
        window_height: window.innerHeight,
      };
    };
    const end = (rt, problem) => {
      if (over) return;
      over = true;
      const playback = measure();
      const found = playback.hidden_ms > 0 ? "hidden" : playback.stalled_ms > stall_max_ms ? "stalled" : null;
      this.api.cancelAllKeyboardResponses();
      this.api.clearAllTimeouts();
      document.removeEventListener("visibilitychange", onVisibility);
      video.pause();
      this.jsPsych.finishTrial({ rt, note: problem || found, playback });
    };
    // A dialog over the clip hides it as well.
    const covered = () => document.hidden || document.querySelector("dialog[open]") !== null;
    const onVisibility = () => {
      if (covered() && shown) hidden.since ??= performance.now();
      if (covered()) return;
      if (hidden.since !== null) hidden.total += performance.now() - hidden.since;
      hidden.since = null;
      if (!video.ended) video.play().catch(() => {});
    };
    const begin = () => {
      if (shown || over) return;
      shown = { at: performance.now(), time: video.currentTime };
      if (covered()) hidden.since = shown.at;
      on_shown();
      this.api.getKeyboardResponse({
        callback_function: ({ rt }) => {
          if (rt >= rt_min_ms && !covered()) end(rt <= window_ms ? rt : null);
        },
        valid_responses: [key],
        rt_method: "performance",
        persist: true,
        allow_held_key: false,
      });
      this.api.setTimeout(() => end(null), window_ms);
    };
    const giveUp = () => {
      if (shown) return;
      if (document.hidden) this.api.setTimeout(giveUp, 1000);
      else end(null, "unplayable");
    };
    const stopped = () => end(null, shown ? "ended_early" : "unplayable");

    document.addEventListener("visibilitychange", onVisibility);
    video.addEventListener("loadedmetadata", () => (length = video.duration || Infinity), { once: true });
    video.addEventListener("error", stopped);
    video.addEventListener("ended", () => {
      if (Number.isFinite(length) && video.currentTime < length - EARLY_S) stopped();
    });
    // A media key or the system may pause the clip.
    video.addEventListener("pause", () => {
      if (!over && !video.ended && !document.hidden) video.play().catch(() => {});
    });
    if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(begin);
    else video.addEventListener("playing", begin, { once: true });
    this.api.setTimeout(giveUp, START_MAX_MS);
    video.muted = true;
    video.src = url;
    video.play().catch(() => {});
  }
}
