// Withdrawing: the link at the foot of each page, and the question what becomes of the data.

import { request } from "./server.js";
import * as sheets from "./sheets.js";

// `withdrawn` is called when it is done, `declined` if they have not joined yet (`isParticipant` says which), `failed` with
// the error of a server that refuses, as it does a browser that it no longer knows.
export function offerWithdrawal({ isParticipant, withdrawn, declined, failed }) {
  const dialog = document.getElementById("withdrawal");
  const display = document.getElementById("display");
  const notice = () => document.dispatchEvent(new Event("visibilitychange"));
  document.getElementById("withdraw").addEventListener("click", async (event) => {
    event.preventDefault();
    if (!isParticipant()) return declined();
    dialog.innerHTML = sheets.withdrawal();
    dialog.returnValue = "";
    // The browser gives the focus back to what had it, and a key on the link would not reach the game.
    display.focus({ preventScroll: true });
    dialog.showModal();
    notice();
  });
  dialog.addEventListener("close", () => {
    notice();
    if (dialog.returnValue) request("POST", "/api/withdraw", { data: dialog.returnValue }).then(withdrawn).catch(failed);
  });
}

export function showWithdrawal(shown) {
  document.getElementById("footer").hidden = !shown;
}
