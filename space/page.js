// What is true of the whole page: earlier results, files that are too large, clips that the browser cannot play.
window.vm = {
  label: "",
  title: "",
  // A result is an earlier one as long as the clip, its title or the model is another one than its own.
  mark(results, what, is) {
    results.forEach((result) => {
      result.toggleAttribute(`data-other-${what}`, is(result));
      const old = result.matches("[data-other-clip], [data-other-model], [data-other-title]");
      result.classList.toggle("vm-old", old);
      result.querySelector(".vm-ribbon").hidden = !old;
    });
    document.dispatchEvent(new Event("vm-old"));
  },
  otherClip(place) {
    this.mark(document.querySelectorAll(`${place} .vm-result`), "clip", () => true);
  },
  model(label) {
    this.label = (label || "").trim();
    tellRestart();
    const [field, name] = [document.querySelector("#vm-model input"), document.querySelector("#vm-model-name")];
    if (field && name) {
      name.textContent = this.label;
      name.hidden = field.clientWidth > 40 && this.label.length * 8 < field.clientWidth - 40; // else it is cut off
    }
    this.renew();
  },
  titled(title) {
    this.title = (title || "").trim();
    this.renew();
  },
  renew() {
    const all = document.querySelectorAll(".vm-result");
    this.mark(all, "model", ({ dataset }) => Boolean(dataset.model) && dataset.model !== this.label);
    this.mark(all, "title", ({ dataset }) => "title" in dataset && dataset.title !== this.title);
  },
  summary(html) {
    document.querySelector("#vm-summary .vm-summary, #vm-summary .vm-empty, #vm-summary .vm-error").outerHTML = html;
  },
};

// What Gradio says in other words, or not at all. While the server is away it asks for it again and again; once it is
// back, it loads the page anew.
const LOST = "The server does not respond. What you see stays; once it is back, the page starts anew.";
const BACK = "The server has been restarted, so the page starts anew. Hand in your clip again.";
function reword(selector, pattern, words) {
  return [...document.querySelectorAll(selector)].flatMap((element) => [...element.childNodes])
    .filter((node) => node.nodeType === Node.TEXT_NODE && pattern.test(node.data)).map((node) => { node.data = words; }).length;
}
// Names of the player's parts, as a screen reader says them.
function namePlayer() {
  const name = (selector, words) => document.querySelectorAll(selector).forEach((part) => { part.ariaLabel = words(part); });
  name("#vm-clip progress:not([aria-label])", () => "Position in the clip");
  name("[aria-label='play-pause-replay-button']", () => "Play or pause");
  name("[aria-label='full-screen']", () => "Full screen");
  name(".vm-progress [role=progressbar]", () => "Progress");
  name("#vm-clip button[aria-label$='recording']", (part) => (/stop/i.test(part.textContent) ? "Stop recording" : "Start recording"));
}
// What is being done is written anew many times a second; a screen reader hears each kind of work, and each place in the
// queue, once.
const said = document.createElement("div");
said.className = "vm-unseen";
said.setAttribute("role", "status");
document.body.append(said); // Gradio adds this script once the page is there
function sayProgress() {
  const trackers = [...document.querySelectorAll(".vm-progress [data-testid=status-tracker]:not(.hide)")];
  const words = (part) => trackers.map((tracker) => tracker.querySelector(part)?.textContent ?? "").join(" ").trim();
  const place = /queue: (\d+)\/(\d+)/.exec(words(".progress-text"));
  const work = words(".progress-level-inner").replace(/( second \d+)?\s*-\s*[\d.]+\s*%$/, "");
  const text = place ? `Place ${place[1]} of ${place[2]} in the queue` : work;
  if (text && said.textContent !== text) said.textContent = text;
}
new MutationObserver(() => {
  namePlayer();
  sayProgress();
  reword("[role=status]", /^common\.complete$/, "Done");
  const lost = reword(".toast-message-text, .toast-text", /^\s*Connection (errored out|to the server was lost)/, LOST);
  if (lost) sessionStorage.setItem("vm-lost", "1");
}).observe(document.documentElement, { childList: true, characterData: true, subtree: true });
function tellRestart() {
  const nothing = document.querySelector("#vm-nothing strong");
  if (!nothing || !sessionStorage.getItem("vm-lost")) return;
  nothing.textContent = BACK;
  nothing.setAttribute("role", "status");
  sessionStorage.removeItem("vm-lost");
  vmShow(document.querySelector("#vm-summary"));
}

// Gradio takes a recording the moment that it is stopped, before the browser has given its last part; of a short one
// there is nothing yet. So the recorder is stopped first, and Gradio once all is there.
let recorder = null;
if (window.MediaRecorder) {
  window.MediaRecorder = class extends window.MediaRecorder {
    constructor(...given) {
      super(...given);
      recorder = this;
    }
  };
}
document.addEventListener("click", (event) => {
  const button = event.target.closest?.("#vm-clip button[aria-label$='recording' i]");
  const ending = recorder;
  if (!button || !ending || (ending.state === "inactive" && !ending.vmEnding)) return;
  event.stopImmediatePropagation();
  event.preventDefault();
  if (ending.vmEnding) return; // a second click while it ends
  ending.vmEnding = true;
  ending.addEventListener("stop", () => {
    recorder = null;
    ending.stop = () => {}; // it is
    button.click();
  }, { once: true });
  ending.stop();
}, true);

// On a phone the scores are below the input: bring them into view, once, when they come.
function vmShow(element) {
  const box = element.getBoundingClientRect();
  if (box.top > innerHeight * 0.6 || box.bottom < 0) {
    element.scrollIntoView({ block: "start", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "instant" : "smooth" });
  }
}

document.addEventListener("change", (event) => {
  const limit = document.querySelector("#vm-limit");
  if (!limit || !event.target.matches("#vm-clip input[type=file]") || !event.target.files.length) return;
  const [file] = event.target.files;
  const most = Number(limit.dataset.megabytes);
  if (file.size <= most * 1e6) return;
  event.stopImmediatePropagation();
  event.preventDefault();
  event.target.value = "";
  const error = document.createElement("div");
  error.className = "vm-error";
  error.setAttribute("role", "alert");
  error.innerHTML = "<strong></strong><span></span>";
  error.firstChild.textContent = `The file has ${Math.round(file.size / 1e6)} MB; up to ${most} MB can be handed in. Cut it, or save it smaller.`;
  error.lastChild.textContent = file.name;
  vm.summary(error.outerHTML);
  vmShow(document.querySelector("#vm-summary"));
}, true);

// Whether a file can be scored does not depend on what the browser can play; the Space sends a preview of what it cannot.
document.addEventListener("error", (event) => {
  if (event.target.closest?.("#vm-clip video")) event.stopImmediatePropagation();
}, true);
