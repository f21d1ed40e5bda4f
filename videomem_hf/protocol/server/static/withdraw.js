// Withdrawing: the link at the foot of each page, and the question what becomes of the data.

import { request } from "./server.js";
import * as sheets from "./sheets.js";

// `withdrawn` is called with the participant's stage, `declined` if they have not joined yet. `isParticipant` says which.
export function offerWithdrawal({ isParticipant, withdrawn, declined }) {
  const dialog = document.getElementById("withdrawal");
  const notice = () => document.dispatchEvent(new Event("visibilitychange"));
  document.getElementById("withdraw").addEventListener("click", async (event) => {
    event.preventDefault();
    if (!isParticipant()) return declined();
    dialog.innerHTML = sheets.withdrawal();
    dialog.returnValue = "";
    dialog.showModal();
    notice();
  });
  dialog.addEventListener("close", async () => {
    notice();
    // After the browser has given the focus back to the link, where a key would not reach the game.
    setTimeout(() => document.getElementById("display").focus());
    if (dialog.returnValue) withdrawn(await request("POST", "/api/withdraw", { data: dialog.returnValue }));
  });
}

export function showWithdrawal(shown) {
  document.getElementById("footer").hidden = !shown;
}
