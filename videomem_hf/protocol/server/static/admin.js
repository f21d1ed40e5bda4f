// The experimenter's page: deletes a participant after confirmation.
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
