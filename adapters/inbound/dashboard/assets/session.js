// The access token: from the address (#token=…) or the sign-in box, kept in this tab only.

const KEY = "homecast.token";

/** Take the token out of the address, so that it is neither seen, bookmarked nor in the history. */
export function tokenFromAddress() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!token) return null;
  history.replaceState(null, "", location.pathname + location.search);
  return token.trim();
}

export const keep = (token) => sessionStorage.setItem(KEY, token);
export const kept = () => sessionStorage.getItem(KEY);
export const forget = () => sessionStorage.removeItem(KEY);
