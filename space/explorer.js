// Links the curve, the strip of frames, the slider, the large frame and the overlay video.
const thumbs = () => [...element.querySelectorAll(".vm-thumb")];
const shown = () => Math.max(0, thumbs().findIndex((thumb) => thumb.getAttribute("aria-pressed") === "true"));
const video = () => document.querySelector("#vm-overlay video");

function select(index, seek) {
  const thumb = thumbs()[index];
  if (!thumb) return;
  thumbs().forEach((other, i) => other.setAttribute("aria-pressed", String(i === index)));
  const box = element.querySelector(".vm-toggle input");
  const map = box && box.checked && thumb.dataset.map;
  const picture = element.querySelector(".vm-picture");
  picture.src = map || thumb.querySelector("img").src;
  picture.alt = thumb.getAttribute("aria-label") + (map ? ", with its map: the brighter, the more the score comes from there" : "");
  element.querySelector(".vm-caption").innerHTML = thumb.dataset.caption;
  const heading = element.querySelector(".vm-heading");
  if (heading.dataset.best && element.querySelector(".vm-plot")) {
    heading.textContent = Number(heading.dataset.best) === index ? "Most memorable moment" : "Chosen moment";
  }
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
  if (seek && video() && video().paused) video().currentTime = Number(thumb.dataset.time);
}

function nearest(event, plot) {
  const box = plot.getBoundingClientRect();
  const x = ((event.clientX - box.left) / box.width) * plot.viewBox.baseVal.width;
  const gaps = plot.dataset.marks.split(" ").map((mark) => Math.abs(Number(mark) - x));
  return gaps.indexOf(Math.min(...gaps));
}

element.addEventListener("click", (event) => {
  const thumb = event.target.closest(".vm-thumb");
  const plot = event.target.closest(".vm-plot");
  if (thumb) select(Number(thumb.dataset.frame), true);
  else if (plot) select(nearest(event, plot), true);
});
element.addEventListener("input", (event) => {
  if (event.target.matches(".vm-time")) select(Number(event.target.value), true);
  if (event.target.matches(".vm-toggle input")) select(shown(), false);
});
// While the overlay video plays, the curve and the frame go along.
document.addEventListener("timeupdate", (event) => {
  if (event.target !== video() || event.target.paused) return;
  const late = thumbs().filter((thumb) => Number(thumb.dataset.time) <= event.target.currentTime + 0.05).length;
  if (late && late - 1 !== shown()) select(late - 1, false);
}, true);
watch("value", () => {
  const plot = element.querySelector(".vm-time");
  select(plot ? Number(plot.getAttribute("value")) : 0, false);
});
