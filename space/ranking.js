// Sorts the table by the heading that is chosen; clips that could not be scored stay last.
element.addEventListener("click", (event) => {
  const button = event.target.closest(".vm-sort");
  if (!button) return;
  const name = button.dataset.horizon.replaceAll("_", "-");
  const body = element.querySelector(".vm-ranking tbody");
  const rows = [...body.querySelectorAll("tr")];
  const score = (row) => (row.hasAttribute(`data-${name}`) ? Number(row.getAttribute(`data-${name}`)) : -1);
  rows.sort((a, b) => score(b) - score(a)).forEach((row) => {
    body.append(row);
    const rank = row.querySelector(".vm-rank");
    if (rank) rank.textContent = row.getAttribute(`data-rank-${name}`);
  });
  element.querySelectorAll("th[aria-sort]").forEach((head) => {
    head.setAttribute("aria-sort", head.contains(button) ? "descending" : "none");
  });
});
