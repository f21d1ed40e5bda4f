// A jsPsych plugin: shows one clip and records one key press, timed from the first frame on the screen.

const START_MAX_MS = 15000;

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
      // Called when the first frame is on the screen.
      on_shown: { type: "FUNCTION", default: () => {} },
    },
    data: {
      // Milliseconds from the first frame to the press; null without one.
      rt: { type: "INT" },
      // "unplayable", "hidden" or null.
      note: { type: "STRING" },
    },
  };

  constructor(jsPsych) {
    this.api = jsPsych.pluginAPI;
    this.jsPsych = jsPsych;
  }

  trial(display, { url, key, window_ms, on_shown }) {
    display.innerHTML = '<video class="clip" playsinline disablepictureinpicture></video>';
    const video = display.querySelector("video");
    let shown = false;
    let note = null;

    const end = (rt, problem) => {
      this.api.cancelAllKeyboardResponses();
      this.api.clearAllTimeouts();
      document.removeEventListener("visibilitychange", onVisibility);
      video.pause();
      this.jsPsych.finishTrial({ rt, note: problem || note });
    };
    const onVisibility = () => {
      if (document.hidden && shown) note = "hidden";
      if (!document.hidden && !shown) video.play().catch(() => {});
    };
    const begin = () => {
      if (shown) return;
      shown = true;
      on_shown();
      this.api.getKeyboardResponse({
        callback_function: ({ rt }) => end(rt <= window_ms ? Math.max(rt, 1) : null),
        valid_responses: [key],
        rt_method: "performance",
        persist: false,
        allow_held_key: false,
      });
      this.api.setTimeout(() => end(null), window_ms);
    };
    const giveUp = () => {
      if (shown) return;
      if (document.hidden) this.api.setTimeout(giveUp, 1000);
      else end(null, "unplayable");
    };

    document.addEventListener("visibilitychange", onVisibility);
    video.addEventListener("error", () => end(null, "unplayable"), { once: true });
    if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(begin);
    else video.addEventListener("playing", begin, { once: true });
    this.api.setTimeout(giveUp, START_MAX_MS);
    video.muted = true;
    video.src = url;
    video.play().catch(() => {});
  }
}
