// Signing in at the platform's own authorization server: a code with PKCE (RFC 7636), tokens for it,
// and their end. This page is a public client; what it waits for is kept in this tab.

export const CLIENT = "homecast-dashboard";
const SCOPES = [
  "openid", "email", "offline_access", "devices:read", "devices:write", "commands:write",
  "homes:read", "homes:write",
].join(" ");
const WAITING = "homecast.waiting";
const AGAIN = "#sign-in"; // the address that begins at once, where the issuer has another host
const REFUSED = new Set(["invalid_grant", "invalid_client", "unauthorized_client"]);

/** `ended`: it does not help to try again; somebody has to sign in. */
export class OAuthProblem extends Error {
  constructor(words, { ended = false, status = 0 } = {}) {
    super(words);
    this.ended = ended;
    this.status = status;
  }
}

/** What the platform says of itself (RFC 8414). */
async function discovered() {
  const said = await asked("/.well-known/openid-configuration", {});
  return { ...said, origin: new URL(said.issuer).origin };
}

async function asked(path, options) {
  let response;
  try {
    response = await fetch(path, { cache: "no-store", credentials: "omit", ...options });
  } catch {
    throw new OAuthProblem("The platform cannot be reached");
  }
  const body = await response.json().catch(() => ({}));
  if (response.ok) return body;
  const words = body.error_description || body.error || `The platform answered ${response.status}`;
  throw new OAuthProblem(words, { ended: REFUSED.has(body.error), status: response.status });
}

const posted = (path, form, signal) =>
  asked(path, { method: "POST", body: new URLSearchParams({ client_id: CLIENT, ...form }), signal });

const here = () => location.origin + location.pathname;

// --- there and back ---------------------------------------------------------------------------

/** Leave for the sign-in; where the issuer has another host, for this page there first. */
export async function leaveForSignIn() {
  const server = await discovered();
  if (server.origin !== location.origin) {
    location.assign(server.origin + location.pathname + AGAIN);
    return;
  }
  if (!crypto.subtle) throw new OAuthProblem("Signing in needs HTTPS. A token still does.");
  const waiting = { state: random(), nonce: random(), verifier: random(), issuer: server.issuer };
  const back = location.search + (location.hash === AGAIN ? "" : location.hash);
  sessionStorage.setItem(WAITING, JSON.stringify({ ...waiting, back }));
  const parameters = new URLSearchParams({
    response_type: "code",
    client_id: CLIENT,
    redirect_uri: here(),
    scope: SCOPES,
    state: waiting.state,
    nonce: waiting.nonce,
    code_challenge: await challengeOf(waiting.verifier),
    code_challenge_method: "S256",
  });
  location.assign(`${server.authorization_endpoint}?${parameters}`);
}

/** Whether the address asks to sign in at once; it does not any more afterwards. */
export function wantsSignIn() {
  if (location.hash !== AGAIN) return false;
  history.replaceState(null, "", location.pathname + location.search);
  return true;
}

/** The server's answer, taken out of the address, with what was waited with; null for none. */
export function answerInAddress() {
  const answer = Object.fromEntries(new URLSearchParams(location.search));
  if (!answer.state || !(answer.code || answer.error)) return null;
  const waiting = JSON.parse(sessionStorage.getItem(WAITING) ?? "null");
  sessionStorage.removeItem(WAITING);
  history.replaceState(null, "", location.pathname + (waiting?.back ?? ""));
  return { answer, waiting };
}

/** The tokens for an answer. Anybody can send a browser here: who did not leave gets nothing. */
export async function tokensFor({ answer, waiting }) {
  const mine = waiting && answer.state === waiting.state && answer.iss === waiting.issuer;
  if (!mine) throw new OAuthProblem("This sign-in was not begun in this tab. Try again.");
  if (answer.error === "access_denied") throw new OAuthProblem("The sign-in was called off.");
  if (answer.error) throw new OAuthProblem(answer.error_description || answer.error);
  const tokens = received(await posted("/oauth2/token", {
    grant_type: "authorization_code",
    code: answer.code,
    redirect_uri: here(),
    code_verifier: waiting.verifier,
  }));
  if (claimsOf(tokens.id_token).nonce !== waiting.nonce) {
    throw new OAuthProblem("The platform's answer belongs to another sign-in. Try again.");
  }
  return tokens;
}

const base64url = (bytes) =>
  btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");

const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));

async function challengeOf(verifier) {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  return base64url(new Uint8Array(digest));
}

/** Of an ID token that came straight from the token endpoint, which vouches for it (OIDC 3.1.3.7). */
function claimsOf(token) {
  try {
    return JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")));
  } catch {
    return {};
  }
}

// --- tokens -----------------------------------------------------------------------------------

/** `expires_at`: of the access token, by this machine's clock. */
const received = ({ access_token, refresh_token, id_token, expires_in = 0 }) => ({
  access_token, refresh_token, id_token, expires_at: Date.now() + expires_in * 1000,
});

export async function refreshed(token) {
  const form = { grant_type: "refresh_token", refresh_token: token };
  return received(await posted("/oauth2/token", form));
}

/** RFC 7009: a refresh token takes all with it. What cannot be told in time ends by itself. */
export async function revoke(token) {
  await posted("/oauth2/revoke", { token }, AbortSignal.timeout(3000));
}

/** Leave for the sign-out of the platform, which comes back here. */
export function leaveForSignOut(idToken) {
  const parameters = { client_id: CLIENT, post_logout_redirect_uri: here() };
  if (idToken) parameters.id_token_hint = idToken;
  location.assign(`/oauth2/logout?${new URLSearchParams(parameters)}`);
}
