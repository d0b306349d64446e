// Whose home is looked at: one's own, or one that its owner has let this person into. The address
// says which, so that it can be kept and come back to.

import { byId, el, mark } from "./dom.js";

/** The id in the address; null for one's own. */
export const chosenHome = () => new URLSearchParams(location.search).get("home");

export function chooseHome(id) {
  const query = id ? `?${new URLSearchParams({ home: id })}` : "";
  history.replaceState(null, "", location.pathname + query + location.hash);
}

/** One's own is not named by its id: that is what the platform takes no `home` for. */
const idOf = (home) => (home.role === "owner" ? "" : home.home_id);

function nameOf(home) {
  if (home.role === "owner") return "My home";
  const day = (at) => new Intl.DateTimeFormat(undefined, { dateStyle: "medium" }).format(new Date(at));
  const stay = home.ends_at ? `until ${day(home.ends_at)}` : `since ${day(home.since)}`;
  return `Shared home, ${home.role} ${stay}`;
}

/** Offer these homes, if there is a choice; `choose()` hears that the address names another one. */
export function offerHomes(homes, choose) {
  const names = homes.map(nameOf);
  const select = byId("which-home");
  select.replaceChildren(...homes.map((home, at) => {
    const before = names.slice(0, at).filter((name) => name === names[at]).length;
    return el("option", { value: idOf(home) }, before ? `${names[at]} (${before + 1})` : names[at]);
  }));
  select.value = chosenHome() ?? "";
  select.onchange = () => (chooseHome(select.value), choose());
  mark(byId("homes"), "hidden", homes.length < 2);
}

/** The chosen home, if it is one of these; the address says no other. */
export function homeAmong(homes) {
  const wanted = chosenHome();
  const found = homes.find((home) => idOf(home) && idOf(home) === wanted);
  if (wanted && !found) chooseHome(null);
  return found ?? null;
}
