// Whether this device can play the game: keyboard, kinds of video, storage, window, and how it plays a clip.
/* global jsPsychBrowserCheck */

import { percent } from "./texts.js";

const START_MAX_MS = 15000;
const PLAY_MS = 2000;
// Of fewer pictures no share can be told.
const FRAMES_MIN = 10;
const FEATURES = ["width", "height", "browser", "browser_version", "mobile", "os", "fullscreen"];

function deviceKind(mobile) {
  if (mobile) return Math.min(screen.width, screen.height) < 600 ? "phone" : "tablet";
  return matchMedia("(any-pointer: fine)").matches ? "computer" : "tablet";
}

function canStore() {
  try {
    localStorage.setItem("check", "1");
    localStorage.removeItem("check");
    return true;
  } catch {
    return false;
  }
}

// Plays a clip for two seconds at most; how it went, or null if it did not start.
function tryClip(url) {
  return new Promise((resolve) => {
    const video = document.createElement("video");
    const begin = performance.now();
    let started = null;
    const end = () => {
      const { totalVideoFrames: frames = null, droppedVideoFrames: dropped = null } = video.getVideoPlaybackQuality?.() ?? {};
      video.pause();
      video.remove();
      resolve(started === null ? null : { start_ms: Math.round(started - begin), frames, dropped });
    };
    const timer = setTimeout(end, START_MAX_MS);
    const first = () => {
      started ??= performance.now();
      setTimeout(end, PLAY_MS);
    };
    if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(first);
    else video.addEventListener("playing", first, { once: true });
    for (const name of ["ended", "error"])
      video.addEventListener(name, () => {
        clearTimeout(timer);
        end();
      });
    video.className = "check";
    video.muted = true;
    video.playsInline = true;
    video.src = url;
    document.body.append(video);
    video.play().catch(() => {});
  });
}

// `run` runs jsPsych trials, `show` shows that the check goes on. Returns `facts` to keep of a device, or a `problem` with the values of its text.
export async function checkDevice(study, run, show) {
  const browser = await run({ type: jsPsychBrowserCheck, features: FEATURES });
  show();
  const types = study.media_types.filter((type) => !document.createElement("video").canPlayType(type));
  const [width, height] = [window.innerWidth, window.innerHeight];
  const least = study.window_min_px;
  if (browser.mobile) return { problem: { reason: "keyboard" } };
  if (types.length) return { problem: { reason: "codec", values: { types: types.join(", ") } } };
  if (!canStore()) return { problem: { reason: "storage", again: true } };
  if (Math.min(width, height) < least) return { problem: { reason: "screen", values: { width, height, least }, again: true } };
  const facts = {
    ...Object.fromEntries(FEATURES.map((name) => [name, browser[name] ?? null])),
    device: deviceKind(browser.mobile),
    screen_width: screen.width,
    screen_height: screen.height,
    automation: navigator.webdriver === true,
    check_start_ms: 0,
    check_frames: 0,
    check_frames_dropped: 0,
  };
  for (let number = 0; number < study.checks; number += 1) {
    const played = await tryClip(`/check/${number}`);
    if (!played) return { problem: { reason: "start", again: true } };
    facts.check_start_ms = Math.max(facts.check_start_ms, played.start_ms);
    facts.check_frames += played.frames ?? 0;
    facts.check_frames_dropped += played.dropped ?? 0;
  }
  const share = facts.check_frames_dropped / Math.max(1, facts.check_frames);
  if (facts.check_frames >= FRAMES_MIN && share > study.frames_dropped_max)
    return { problem: { reason: "speed", values: { share: percent(share) }, again: true } };
  return { facts };
}
