// The page of ads: signs in, shows the view that the address names, asks for what it shows.

import { actsOf } from "./acts.js";
import { Api } from "./api.js";
import { boardView } from "./board.js";
import { brokersView } from "./brokers.js";
import { catalogueView } from "./catalogue.js";
import { Connection } from "./connection.js";
import { creativeView } from "./creative.js";
import { Creatives, STATUSES, columnOf } from "./creatives.js";
import { byId, mark, say } from "./dom.js";
import { openEntrance } from "./entrance.js";
import { Poller } from "./poller.js";
import { reportsView } from "./reports.js";

const QUICK = 1000; // while something is under way
const CALM = 5000;
const PAGE = 100;
const MOST_PAGES = 20; // of one status, for the catalogue
const REFUSAL =
  "You may not see ads. They need an access token with the scopes ads:read and ads:manage.";

/** One signed-in visit, until signing out; `refused` is told that the session has ended. */
class Visit {
  constructor(session, refused) {
    this.api = new Api(session, refused);
    this.creatives = new Creatives();
    this.lists = 0; // when all lists were asked for last
    this.connection = new Connection({ complete: () => this.creatives.complete, refusal: REFUSAL });
    const act = actsOf(this.api, (creative) => this.acted(creative));
    const parts = { api: this.api, creatives: this.creatives, act };
    this.views = {
      board: boardView(parts),
      catalogue: catalogueView({ ...parts, loadAll: () => this.loadAll() }),
      brokers: brokersView(parts),
      reports: reportsView({ ...parts, refused: () => this.connection.show("refused") }),
    };
    this.creativeView = (id) => creativeView({ ...parts, id });
    this.poller = new Poller({
      look: () => this.look(),
      pause: () => (this.moves() ? QUICK : CALM),
      onState: (state) => this.connection.show(state),
    });
    this.turn = () => this.open();
  }

  start() {
    this.connection.show("connecting");
    window.addEventListener("hashchange", this.turn);
    this.ticking = setInterval(() => document.hidden || this.draw(), QUICK); // "in 12 s"
    this.open({ focus: false });
    this.poller.run();
  }

  retryNow() {
    this.poller.now();
  }

  end() {
    this.ended = true;
    this.poller.stop();
    this.connection.end();
    clearInterval(this.ticking);
    window.removeEventListener("hashchange", this.turn);
    byId("views").replaceChildren();
    say(byId("summary"), "");
  }

  // --- views ------------------------------------------------------------------------------------

  open({ focus = true } = {}) {
    const [name, ...rest] = location.hash.slice(1).split("/");
    const path = rest.join("/");
    const creative = name === "creatives" && rest[0];
    this.name = creative || Object.hasOwn(this.views, name) ? name : "board";
    this.view = creative ? this.creativeView(decodeURIComponent(path)) : this.views[this.name];
    for (const link of byId("tabs").children) {
      const place = link.getAttribute("href").slice(1);
      const current = place === this.name || (creative && place === "board");
      mark(link, "aria-current", current ? "page" : null);
    }
    this.view.node.tabIndex = -1;
    byId("views").replaceChildren(this.view.node);
    this.draw();
    this.view.opened?.(path);
    if (focus) {
      this.view.node.focus({ preventScroll: true });
      window.scrollTo(0, 0);
    }
    this.poller.now();
  }

  draw() {
    if (this.ended || !this.view) return;
    this.view.update();
    const title = `${this.view.title} – Homecast ads`;
    if (document.title !== title) document.title = title;
    if (!this.creatives.complete) return;
    const [way, trouble] = ["way", "trouble"].map((column) => this.creatives.inColumn(column).length);
    say(byId("summary"), `${way} under way, ${trouble} in trouble`);
  }

  // --- asking -----------------------------------------------------------------------------------

  /** Whether what is looked at changes by itself. */
  moves() {
    if (this.name === "creatives") {
      const shown = this.creatives.get(this.view.id);
      return Boolean(shown) && columnOf(shown) === "way";
    }
    return this.name === "board" && this.creatives.moving().length > 0;
  }

  async look() {
    const view = this.view;
    if (view.look) await view.look();
    else if (view.id) await this.lookAt(view);
    if (!view.look && this.name !== "reports") await this.lookAtLists();
    if (!this.ended) this.draw();
  }

  async lookAt(view) {
    try {
      this.creatives.takeOne(await this.api.get(`/v1/creatives/${encodeURIComponent(view.id)}`));
      view.missing = false;
    } catch (problem) {
      if (problem.status !== 404) throw problem;
      view.missing = true;
    }
  }

  /** All lists now and then; in between only those of what is under way. */
  async lookAtLists() {
    const due = Date.now() - this.lists >= CALM - QUICK / 2;
    const asked = due ? STATUSES : this.name === "board" ? this.creatives.moving() : [];
    const before = this.creatives.inColumn("way").map((one) => one.id);
    await this.ask(asked);
    if (due) this.lists = Date.now();
    const after = new Map(this.creatives.inColumn("way").map((one) => [one.id, one]));
    // One that has left its list has moved on: find out where to.
    if (!due && before.some((id) => !after.has(id) || this.creatives.missed(id))) await this.ask(STATUSES);
  }

  async ask(statuses) {
    const query = (status) => this.api.get("/v1/creatives", { status, limit: PAGE });
    const answers = await Promise.all(statuses.map(query));
    statuses.forEach((status, at) => this.creatives.take(status, answers[at]));
  }

  /** What is beyond the first pages, for the catalogue; quietly, as far as it can be had. */
  async loadAll() {
    if (this.loading) return;
    this.loading = true;
    try {
      await Promise.all(STATUSES.map((status) => this.loadPages(status)));
    } catch {
      // The poller tells when the platform cannot be reached.
    } finally {
      this.loading = false;
      this.draw();
    }
  }

  async loadPages(status) {
    let cursor = null;
    for (let page = 0; page < MOST_PAGES && !this.ended; page += 1) {
      const answer = await this.api.get("/v1/creatives", { status, limit: PAGE, cursor });
      this.creatives.take(status, answer, page === 0);
      cursor = answer.next_cursor;
      if (!cursor) return;
    }
  }

  /** After an act: what the platform answered, if it did, and then all as it is. */
  acted(creative) {
    if (creative) this.creatives.takeOne(creative);
    this.lists = 0;
    this.draw();
    this.poller.now();
  }
}

byId("skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address names the view
  byId("views").firstElementChild?.focus();
});
openEntrance("ads", (...access) => new Visit(...access));
