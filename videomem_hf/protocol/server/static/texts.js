// The texts of the page in the visitor's language, and small pieces of markup made from them. The server sends the texts; this
// file and the others know only their keys.

let current = { language: "en", texts: {} };

export function useTexts({ language, texts }) {
  current = { language, texts };
  document.documentElement.lang = language;
  document.title = texts.title;
}

export const escape = (text) =>
  String(text).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

export const markup = (html) => ({ html });

// A text as markup: values in braces are escaped unless they are markup, ** marks what stands out.
export const say = (key, values = {}) =>
  escape(current.texts[key] ?? key)
    .replace(/\{(\w+)\}/g, (_, name) => values[name]?.html ?? escape(values[name] ?? ""))
    .replace(/\*\*(.+?)\*\*/g, "<strong>$1</strong>");

export const paragraph = (key, values) => `<p>${say(key, values)}</p>`;

export const paragraphs = (key, values) =>
  (current.texts[key] ?? "")
    .trim()
    .split(/\n\s*\n/)
    .map((part) => `<p>${escape(part)}</p>`)
    .join("")
    .replace(/\{(\w+)\}/g, (_, name) => escape(values?.[name] ?? ""));

export const knows = (key) => key in current.texts;

export const heading = (key) => `<h1>${say(key)}</h1>`;

// The name of the key as it stands on the keyboard.
export const key = (name) => markup(`<kbd>${name === " " ? say("key.space") : say("key.other", { key: name })}</kbd>`);

export const when = (ms) =>
  new Date(ms).toLocaleString(current.language, { weekday: "long", day: "numeric", month: "long", hour: "2-digit", minute: "2-digit" });

export const minutes = (number) =>
  new Intl.NumberFormat(current.language, { style: "unit", unit: "minute", unitDisplay: "long" }).format(number);

export const percent = (share) => new Intl.NumberFormat(current.language, { style: "percent" }).format(share);

// How long a step takes at most with its practice, as `study plan` counts it.
export const duration = (study, step) =>
  minutes(Math.ceil(((study.showings[step - 1] + study.practice[step - 1]) * (study.window_ms + study.gap_ms)) / 60000));
