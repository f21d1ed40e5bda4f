// The experimenter's page: deletes a participant after confirmation, pauses the study, and keeps the figures fresh.
"use strict";

document.getElementById("delete").addEventListener("submit", async (event) => {
  event.preventDefault();
  const participant = new FormData(event.target).get("participant").trim();
  if (!window.confirm(`Delete ${participant} and all their responses? This cannot be undone.`)) return;
  const response = await fetch("/admin/delete", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ participant }),
  });
  const content = await response.json();
  document.getElementById("deleted").textContent = response.ok
    ? `Deleted ${participant} and ${content.responses} responses.`
    : content.message;
});

document.getElementById("pause").addEventListener("submit", async (event) => {
  event.preventDefault();
  const paused = event.target.dataset.paused === "1";
  const message = paused ? null : new FormData(event.target).get("message").trim();
  await fetch("/admin/pause", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ message }),
  });
  location.reload();
});

// Not while something is being typed.
const inputs = [...document.querySelectorAll("input")];
setInterval(() => {
  const typing = inputs.some((input) => input === document.activeElement || input.value !== input.defaultValue);
  if (!typing && !document.hidden) location.reload();
}, 30000);
