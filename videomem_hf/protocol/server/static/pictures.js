// The drawings of the instructions.

import { say } from "./texts.js";

const INK = "#1d2430";
const ACCENT = "#1f5fbf";
const GROUND = ["#dce8f8", "#f8e7d3", "#dff0de", "#f3def0"];

const shapes = [
  (x, y) => `<circle cx="${x}" cy="${y}" r="13" fill="${ACCENT}"/>`,
  (x, y) => `<rect x="${x - 12}" y="${y - 12}" width="24" height="24" fill="#b1581b"/>`,
  (x, y) => `<path d="M${x} ${y - 14}l15 27h-30z" fill="#2f7d32"/>`,
  (x, y) => `<path d="M${x - 12} ${y - 12}l24 24m0-24l-24 24" stroke="#8b2f83" stroke-width="8" fill="none"/>`,
];

const clip = (x, shape) =>
  `<rect x="${x}" y="30" width="84" height="54" rx="5" fill="${GROUND[shape]}" stroke="${INK}" stroke-width="2"/>` +
  shapes[shape](x + 42, 57);

const arrow = (x) => `<path d="M${x} 57h12m-5-5l5 5l-5 5" stroke="${INK}" stroke-width="2" fill="none"/>`;

const row = (order) =>
  order.map((shape, index) => clip(10 + 106 * index, shape) + (index < order.length - 1 ? arrow(98 + 106 * index) : "")).join("");

const pressed = (x) =>
  `<path d="M${x} 88v12m-5-5l5 5l5-5" stroke="${ACCENT}" stroke-width="2.5" fill="none"/>
  <rect x="${x - 40}" y="106" width="80" height="20" rx="5" fill="#fff" stroke="${INK}" stroke-width="2"/>
  <circle cx="${x}" cy="116" r="5" fill="${ACCENT}"/>
  <rect x="${x - 42}" y="30" width="84" height="54" rx="5" fill="none" stroke="${ACCENT}" stroke-width="4"/>`;

const moon = `<path d="M218 40a20 20 0 1 0 14 34a17 17 0 0 1-14-34z" fill="#e5b93c" stroke="${INK}" stroke-width="2"/>`;

const person = `<circle cx="120" cy="62" r="16" fill="#f3d2b3" stroke="${INK}" stroke-width="2"/>
  <path d="M92 124c0-30 12-42 28-42s28 12 28 42z" fill="${ACCENT}" stroke="${INK}" stroke-width="2"/>
  <rect x="190" y="34" width="110" height="66" rx="6" fill="#fff" stroke="${INK}" stroke-width="2"/>
  <rect x="198" y="42" width="94" height="50" fill="${GROUND[0]}"/>${shapes[0](245, 67)}
  <path d="M235 100h20v14h-20zM218 116h54" stroke="${INK}" stroke-width="3" fill="none"/>
  <rect x="346" y="64" width="30" height="54" rx="5" fill="#fff" stroke="${INK}" stroke-width="2"/>
  <path d="M336 60l50 62" stroke="#a32020" stroke-width="5"/>`;

const drawings = {
  watch: () => row([0, 1, 2, 3]),
  recognise: (step) => (step === 1 ? row([0, 1, 2, 0]) + pressed(370) : clip(10, 0) + clip(106, 1) + moon + clip(300, 0) + pressed(342)),
  breaks: () => person,
};

const HEIGHT = { watch: 74, recognise: 112, breaks: 112 };

export const drawing = (name, step) =>
  `<svg class="drawing" viewBox="0 20 430 ${HEIGHT[name]}" role="img" aria-label="${say(`${name}.picture`)}">${drawings[name](step)}</svg>`;
