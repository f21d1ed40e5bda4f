// Scores a clip with an exported model; nothing is fetched but this folder.
"use strict";

const find = (id) => document.getElementById(id);
const NAMES = { short_term: "Short-term", long_term: "Long-term" };
ort.env.wasm.wasmPaths = new URL("node_modules/onnxruntime-web/dist/", document.baseURI).href;
ort.env.wasm.numThreads = 1; // several need headers that a plain server does not send

find("score").addEventListener("click", async () => {
  find("score").disabled = true;
  find("result").hidden = true;
  try {
    const { facts, session } = await openModel([...find("model").files]);
    const [clip] = find("clip").files;
    if (!clip) throw new Error("choose a clip");
    const rows = await scoreClip(clip, facts, session);
    show(rows, facts);
    say(`${clip.name}: ${rows.length} frame${rows.length === 1 ? "" : "s"} scored`);
  } catch (error) {
    say(error.message, true);
  } finally {
    find("score").disabled = false;
  }
});

function say(text, isError = false) {
  find("status").textContent = text;
  find("status").className = isError ? "error" : "";
}

async function openModel(files) {
  const named = Object.fromEntries(files.map((file) => [file.name, file]));
  if (!named["export.json"] || !named["model.onnx"]) throw new Error("choose export.json and model.onnx of an exported model, both at once");
  const facts = JSON.parse(await named["export.json"].text());
  if (facts.parts.clip) throw new Error("this page scores models that take the mean over frames; this one weighs them");
  if (!facts.processor.fps || facts.processor.segment_length > 1) throw new Error("this page scores models of single frames; this one takes something else");
  say("loading the model");
  return { facts, session: await ort.InferenceSession.create(new Uint8Array(await named["model.onnx"].arrayBuffer())) };
}

/** Scores of the frames at 0, 1, 2, ... s, one array of horizons each. */
async function scoreClip(clip, facts, session) {
  const video = find("video");
  video.hidden = false;
  video.src = URL.createObjectURL(clip);
  await new Promise((resolve, reject) => {
    video.onloadeddata = resolve;
    video.onerror = () => reject(new Error(`${clip.name}: this browser cannot play it`));
  });
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const rows = [];
  const times = sampleTimes(video.duration, facts.processor.fps).slice(0, facts.processor.max_segments ?? undefined);
  for (const time of times) {
    say(`scoring the frame at ${time.toFixed(0)} of ${video.duration.toFixed(0)} s`);
    await seek(video, time);
    context.drawImage(video, 0, 0);
    const input = toInput(context.getImageData(0, 0, canvas.width, canvas.height), facts.processor);
    const { frame_scores: scores } = await session.run({ pixel_values_videos: input }, ["frame_scores"]);
    rows.push([...scores.data]);
  }
  URL.revokeObjectURL(video.src);
  return rows;
}

function seek(video, time) {
  return new Promise((resolve) => {
    video.addEventListener("seeked", resolve, { once: true });
    video.currentTime = time + 0.002; // containers round times to a millisecond
  });
}

function show(rows, facts) {
  const horizons = facts.config.horizons;
  const means = horizons.map((_, column) => rows.reduce((sum, row) => sum + row[column], 0) / rows.length);
  find("scores").replaceChildren(...horizons.map((horizon, column) => {
    const row = document.createElement("tr");
    for (const text of [NAMES[horizon] ?? horizon, means[column].toFixed(3)]) row.insertCell().textContent = text;
    row.cells[1].dataset.horizon = horizon;
    return row;
  }));
  find("chart").innerHTML = chart(rows.map((row) => row[0]), facts.processor.fps, NAMES[horizons[0]]);
  find("caveats").replaceChildren(...facts.caveats.map((caveat) => {
    const item = document.createElement("li");
    item.textContent = caveat;
    return item;
  }));
  find("result").hidden = false;
}

/** The scores of the frames over time, from 0 to 1. */
function chart(scores, fps, name) {
  const [width, height, left, bottom] = [600, 200, 40, 30];
  const last = Math.max(1, scores.length - 1);
  const x = (index) => left + (index / last) * (width - left - 12), y = (score) => 12 + (1 - score) * (height - bottom - 12);
  const grid = [0, 0.5, 1].map((value) => `<line x1="${left}" x2="${width - 12}" y1="${y(value)}" y2="${y(value)}" stroke="#ddd"/><text x="${left - 8}" y="${y(value) + 4}" text-anchor="end">${value}</text>`);
  const dots = scores.map((score, index) => `<circle cx="${x(index)}" cy="${y(score)}" r="4"/>`);
  const line = scores.map((score, index) => `${x(index)},${y(score)}`).join(" ");
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${name} score of each frame" font-size="13" fill="#333">${grid.join("")}<g fill="#1f5fa8"><polyline points="${line}" fill="none" stroke="#1f5fa8" stroke-width="2"/>${dots.join("")}</g><text x="${left}" y="${height - 6}">0 s</text><text x="${width - 12}" y="${height - 6}" text-anchor="end">${(last / fps).toFixed(0)} s</text><text x="${width / 2}" y="${height - 6}" text-anchor="middle">${name} score of each frame</text></svg>`;
}
