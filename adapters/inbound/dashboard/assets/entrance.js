// Signing in and out, the same on every page: the token comes from the address, from an earlier
// page of this tab, or from the sign-in box.

import { byId, mark, say } from "./dom.js";
import * as session from "./session.js";

const REFUSED = "This token is not valid (any more).";

/**
 * `inside`: the id of what only a signed-in person sees. `visitOf(token, refused)` gives a visit:
 * `{ start(), end(), retryNow() }`; `refused()` ends it.
 */
export function openEntrance(inside, visitOf) {
  let visit = null;

  const show = (signedIn, reason = "") => {
    mark(byId("top"), "hidden", !signedIn);
    mark(byId(inside), "hidden", !signedIn);
    mark(byId("sign-in"), "hidden", signedIn);
    mark(byId("banner"), "hidden", true);
    say(byId("sign-in-error"), reason);
    if (!signedIn) byId("token").focus();
  };
  const leave = (reason = "") => {
    if (!visit) return;
    visit.end();
    visit = null;
    session.forget();
    show(false, reason);
  };
  const enter = (token) => {
    leave();
    session.keep(token);
    const mine = visitOf(token, () => visit === mine && leave(REFUSED));
    visit = mine;
    show(true);
    visit.start();
  };

  byId("sign-in-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const token = byId("token").value.trim();
    byId("token").value = "";
    if (token) enter(token);
  });
  byId("sign-out").addEventListener("click", () => leave());
  byId("reconnect").addEventListener("click", () => visit?.retryNow());
  window.addEventListener("online", () => visit?.retryNow());
  window.addEventListener("hashchange", () => {
    const token = session.tokenFromAddress();
    if (token) enter(token);
  });

  const token = session.tokenFromAddress() ?? session.kept();
  if (token) enter(token);
  else show(false);
}
