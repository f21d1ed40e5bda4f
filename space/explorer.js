// Links the curve, the moments, the strip of frames, the slider, the large frame, and the visitor's own player.
const thumbs = () => [...element.querySelectorAll(".vm-thumb")];
const shown = () => Math.max(0, thumbs().findIndex((thumb) => thumb.getAttribute("aria-pressed") === "true"));
const root = () => element.querySelector(".vm-explorer");
const players = () => [...document.querySelectorAll("#vm-clip video, #vm-overlay video")].filter((video) => video.checkVisibility());
const offset = (video) => (video.closest("#vm-clip") ? Number(root().dataset.offset) : 0);
let maps = null;

function wanted() {
  const box = element.querySelector(".vm-toggle input");
  return Boolean(maps && box && box.checked && !root().classList.contains("vm-old"));
}

// Every picture of the clip has the map over it, greyed as in the overlay video.
function drawOver(target, time) {
  const canvas = vmLayer(target, wanted());
  target.classList.toggle("vm-mapped", wanted());
  if (!canvas || canvas.hidden) return;
  const size = vmPlace(canvas, target);
  if (size.width > 1) maps.draw(canvas, time, size.width, size.height);
}

function drawAll() {
  const picture = element.querySelector(".vm-picture");
  if (!picture) {
    document.querySelectorAll("#vm-clip video").forEach((video) => { video.classList.remove("vm-mapped"); vmLayer(video, false); });
    return;
  }
  if (rectangle) showRectangle();
  drawOver(picture, Number(thumbs()[shown()].dataset.time));
  players().filter((video) => video.closest("#vm-clip")).forEach((video) => drawOver(video, video.currentTime - offset(video)));
}

function select(index, seek) {
  const thumb = thumbs()[index];
  if (!thumb) return;
  thumbs().forEach((other, i) => other.setAttribute("aria-pressed", String(i === index)));
  element.querySelectorAll(".vm-moment").forEach((moment) => moment.setAttribute("aria-pressed", String(Number(moment.dataset.frame) === index)));
  const picture = element.querySelector(".vm-picture");
  picture.src = thumb.querySelector("img").src;
  picture.alt = thumb.getAttribute("aria-label") + (wanted() ? ", with its map: the brighter, the more the score comes from there" : "");
  element.querySelector(".vm-caption").innerHTML = thumb.dataset.caption;
  const plot = element.querySelector(".vm-plot");
  if (plot) {
    const mark = plot.dataset.marks.split(" ")[index];
    const cursor = plot.querySelector(".vm-cursor");
    cursor.setAttribute("x1", mark);
    cursor.setAttribute("x2", mark);
    plot.querySelectorAll(".vm-point").forEach((point) => point.classList.toggle("vm-on", Number(point.dataset.frame) === index));
    const slider = element.querySelector(".vm-time");
    slider.value = index;
    slider.setAttribute("aria-valuetext", thumb.getAttribute("aria-label"));
  }
  const strip = element.querySelector(".vm-strip");
  strip.scrollTo({ left: thumb.offsetLeft - strip.clientWidth / 2 + thumb.clientWidth / 2, behavior: "instant" });
  if (seek && !root().classList.contains("vm-old")) {
    players().forEach((video) => { video.currentTime = Number(thumb.dataset.time) + offset(video); });
  }
  drawAll();
}

function nearest(event, plot) {
  const box = plot.getBoundingClientRect();
  const x = ((event.clientX - box.left) / box.width) * plot.viewBox.baseVal.width;
  const gaps = plot.dataset.marks.split(" ").map((mark) => Math.abs(Number(mark) - x));
  return gaps.indexOf(Math.min(...gaps));
}

element.addEventListener("click", (event) => {
  const button = event.target.closest(".vm-thumb, .vm-moment");
  const plot = event.target.closest(".vm-plot");
  if (button) select(Number(button.dataset.frame), true);
  else if (plot) select(nearest(event, plot), true);
});
element.addEventListener("input", (event) => {
  if (event.target.matches(".vm-time")) select(Number(event.target.value), true);
  if (event.target.matches(".vm-toggle input")) select(shown(), false);
});

// A rectangle to cover: drawn with a finger or a mouse, or moved with the arrow keys, and resized with Shift and them.
let rectangle = null;
function showRectangle() {
  const picture = element.querySelector(".vm-picture");
  let box = element.querySelector(".vm-rect");
  element.querySelector(".vm-draw").setAttribute("aria-pressed", String(Boolean(rectangle)));
  element.querySelector(".vm-measure").hidden = !rectangle;
  element.querySelector(".vm-stage").classList.toggle("vm-drawing", Boolean(rectangle));
  if (!rectangle) { box?.remove(); return; }
  if (!box) {
    box = document.createElement("div");
    box.className = "vm-rect";
    box.tabIndex = 0;
    box.setAttribute("role", "application");
    element.querySelector(".vm-stage").append(box);
  }
  const [left, top, right, bottom] = rectangle;
  box.setAttribute("aria-label", "Rectangle to cover, from " + [left, right].map((v) => Math.round(100 * v)).join(" to ") + " percent across and "
    + [top, bottom].map((v) => Math.round(100 * v)).join(" to ") + " percent down. Arrow keys move it, with Shift they resize it, Enter covers it.");
  const frame = vmInner(picture);
  box.style.left = `${frame.left + left * frame.width}px`;
  box.style.top = `${frame.top + top * frame.height}px`;
  box.style.width = `${(right - left) * frame.width}px`;
  box.style.height = `${(bottom - top) * frame.height}px`;
}
function cover() {
  if (rectangle && !root().classList.contains("vm-old")) trigger("select", { rectangle });
}
element.addEventListener("pointerdown", (event) => {
  const stage = event.target.closest(".vm-drawing");
  if (!stage) return;
  event.preventDefault();
  const frame = vmInner(element.querySelector(".vm-picture"));
  const around = stage.getBoundingClientRect();
  const at = (e) => [(e.clientX - around.left - frame.left) / frame.width, (e.clientY - around.top - frame.top) / frame.height].map((v) => Math.min(Math.max(v, 0), 1));
  const [x, y] = at(event);
  const move = (e) => {
    const [p, q] = at(e);
    if (Math.abs(p - x) < 0.02 || Math.abs(q - y) < 0.02) return;
    rectangle = [Math.min(x, p), Math.min(y, q), Math.max(x, p), Math.max(y, q)];
    showRectangle();
  };
  document.addEventListener("pointermove", move);
  document.addEventListener("pointerup", () => document.removeEventListener("pointermove", move), { once: true });
});
element.addEventListener("keydown", (event) => {
  if (!event.target.matches(".vm-rect")) return;
  const step = { ArrowLeft: [-0.02, 0], ArrowRight: [0.02, 0], ArrowUp: [0, -0.02], ArrowDown: [0, 0.02] }[event.key];
  if (event.key === "Enter") cover();
  if (!step) return;
  event.preventDefault();
  const [x, y] = step;
  const [left, top, right, bottom] = rectangle;
  const moved = event.shiftKey ? [left, top, right + x, bottom + y] : [left + x, top + y, right + x, bottom + y];
  if (moved.every((v) => v >= 0 && v <= 1) && moved[2] - moved[0] > 0.03 && moved[3] - moved[1] > 0.03) rectangle = moved;
  showRectangle();
});
element.addEventListener("click", (event) => {
  if (event.target.closest(".vm-draw")) {
    rectangle = rectangle ? null : [0.3, 0.3, 0.7, 0.7];
    showRectangle();
    element.querySelector(".vm-rect")?.focus({ preventScroll: true });
  } else if (event.target.closest(".vm-measure")) cover();
  else if (event.target.closest(".vm-grid-go") && !root().classList.contains("vm-old")) trigger("submit", { time_s: Number(thumbs()[shown()].dataset.time) });
});

// While a player plays, the curve, the frame and the map go along.
function follow(event) {
  const video = event.target;
  if (!root() || !players().includes(video)) return;
  if (video.closest("#vm-clip")) drawOver(video, video.currentTime - offset(video));
  if (video.paused) return;
  const time = video.currentTime - offset(video);
  const late = thumbs().filter((thumb) => Number(thumb.dataset.time) <= time + 0.05).length;
  if (late && late - 1 !== shown()) select(late - 1, false);
}
function play(event) {
  const step = () => {
    if (!event.target.isConnected || event.target.paused || !root()) return;
    drawOver(event.target, event.target.currentTime - offset(event.target));
    requestAnimationFrame(step);
  };
  if (root() && event.target.closest?.("#vm-clip")) requestAnimationFrame(step);
}
for (const name of ["timeupdate", "seeked", "loadeddata"]) document.addEventListener(name, follow, true);
document.addEventListener("play", play, true);
// Another clip in the player, or a trimmed one: the result is an earlier one. A preview is of the same clip.
let source = "";
const playing = () => document.querySelector("#vm-clip video")?.currentSrc || "";
document.addEventListener("loadstart", (event) => {
  if (!root() || !event.target.closest?.("#vm-clip") || playing() === source) return;
  if (playing().endsWith(".preview.mp4")) source = playing();
  else vm.otherClip("#vm-one");
}, true);
document.addEventListener("vm-old", drawAll);
new ResizeObserver(drawAll).observe(element);
element.addEventListener("load", drawAll, true);
watch("value", () => {
  maps = null;
  rectangle = null;
  vm.renew();
  const carrier = root();
  source = playing();
  if (carrier && carrier.dataset.maps) maps = new VmMaps(carrier);
  const chosen = thumbs().findIndex((thumb) => thumb.getAttribute("aria-pressed") === "true");
  if (chosen >= 0) select(chosen, false);
  else drawAll();
});
