// Signing in and out, the same on every page: by an account, or by a token from the address, from
// the sign-in box, or as an earlier page of this tab left it.

import { byId, mark, say } from "./dom.js";
import * as oauth from "./oauth.js";
import { AccountSession, TokenSession, kept, tokenFromAddress } from "./session.js";

/**
 * `inside`: the id of what only a signed-in person sees. `visitOf(session, refused, again)` gives a
 * visit: `{ start(), end(), retryNow() }`; `refused()` ends it, `again()` begins another one.
 */
export function openEntrance(inside, visitOf) {
  let session = null;
  let visit = null;

  const show = (signedIn, reason = "") => {
    mark(byId("top"), "hidden", !signedIn);
    mark(byId(inside), "hidden", !signedIn);
    mark(byId("sign-in"), "hidden", signedIn);
    mark(byId("account"), "hidden", !session?.account);
    mark(byId("banner"), "hidden", true);
    say(byId("sign-in-error"), reason);
    busy(false);
    if (!signedIn) byId("sign-in-account").focus();
  };
  const busy = (waits) => mark(byId("sign-in-account"), "aria-busy", waits);
  const begin = () => {
    visit?.end();
    const mine = visitOf(session, () => visit === mine && leave(session.ended), begin);
    visit = mine;
    visit.start();
  };
  const enter = (next) => {
    session?.forget();
    session = next;
    session.keep();
    show(true);
    begin();
  };
  const leave = (reason = "") => {
    visit?.end();
    session?.forget();
    visit = session = null;
    show(false, reason);
  };
  const signOut = async () => {
    const mine = session;
    leave();
    if (!mine.account) return;
    busy(true);
    await mine.end();
    oauth.leaveForSignOut(mine.idToken);
  };
  const signIn = async (work) => {
    if (byId("sign-in-account").hasAttribute("aria-busy")) return; // the page is about to leave
    busy(true);
    try {
      await work();
    } catch (problem) {
      leave(problem.message);
    }
  };

  byId("sign-in-account").addEventListener("click", () => signIn(oauth.leaveForSignIn));
  byId("sign-in-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const token = byId("token").value.trim();
    byId("token").value = "";
    if (token) enter(new TokenSession(token));
  });
  byId("sign-out").addEventListener("click", signOut);
  byId("reconnect").addEventListener("click", () => visit?.retryNow());
  window.addEventListener("online", () => visit?.retryNow());
  window.addEventListener("pageshow", ({ persisted }) => persisted && busy(false));
  window.addEventListener("hashchange", () => {
    const token = tokenFromAddress();
    if (token) enter(new TokenSession(token));
  });

  const answered = oauth.answerInAddress();
  const token = tokenFromAddress();
  const before = token ? new TokenSession(token) : kept();
  if (answered && (answered.waiting || !before)) {
    show(false);
    signIn(async () => enter(new AccountSession(await oauth.tokensFor(answered))));
  } else if (oauth.wantsSignIn()) {
    show(false);
    signIn(oauth.leaveForSignIn);
  } else if (before) enter(before);
  else show(false);
}
