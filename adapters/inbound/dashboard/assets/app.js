// The page: signs in, follows the home live, draws what changed.

import { Api } from "./api.js";
import { timeline } from "./commands.js";
import { Connection } from "./connection.js";
import { DeviceCards } from "./devices.js";
import { byId, mark, say } from "./dom.js";
import { openEntrance } from "./entrance.js";
import { Home, hasGap, isOpen } from "./home.js";
import { chooseHome, homeAmong, offerHomes } from "./homes.js";
import { LiveStream } from "./live.js";
import { announce, confirm, toast } from "./notices.js";
import { STATUS, commandWords, explanation } from "./words.js";

const ACTIVITY_SHOWN = 40;
const LOOK_AGAIN = 4000; // the live stream may lose a message: open commands are asked about

/**
 * One signed-in visit to one home; `refused` is told that the session has ended, `again` that
 * another home was chosen.
 */
class Visit {
  constructor(session, refused, again) {
    this.session = session;
    this.again = again;
    this.whose = null;
    this.home = new Home();
    this.api = new Api(session, refused);
    this.dirty = new Set();
    this.cards = new DeviceCards(byId("groups"), this.home, {
      send: (...command) => this.send(...command),
      cancel: (command) => this.cancel(command),
      confirm,
    });
    const nameOf = (id) => this.home.devices.get(id)?.name ?? "Released device";
    this.drawActivity = timeline(byId("activity"), (command) => this.cancel(command), nameOf);
    this.stream = new LiveStream({
      open: (...position) => this.follow(...position),
      onEvent: (type, data) => this.home.take(type, data),
      onState: (state) => this.connection.show(state),
    });
    this.connection = new Connection({
      complete: () => this.home.complete,
      refusal: "You may not see these devices.",
    });
  }

  start() {
    mark(byId("waiting"), "hidden", null);
    this.connection.show("connecting");
    this.home.subscribe((change) => this.changed(change));
    this.looking = setInterval(() => this.lookAgain(), LOOK_AGAIN);
    this.begin();
  }

  /** With whose home it is; a list that cannot be had is no reason not to show one's own. */
  async begin() {
    const known = this.session.account ? await this.api.get("/v1/homes").catch(() => ({})) : {};
    const homes = known.items ?? [];
    if (this.ended) return;
    this.whose = homeAmong(homes)?.home_id ?? null;
    offerHomes(homes, this.again);
    this.stream.run();
  }

  /** Who is no member any more is shown their own home. */
  async follow(...position) {
    try {
      return await this.api.live(this.whose, ...position);
    } catch (problem) {
      const gone = this.whose && (problem.status === 404 || problem.status === 403);
      if (!gone || this.ended) throw problem;
      toast("You are no member of that home any more.");
      chooseHome(null);
      this.again();
      throw problem;
    }
  }

  retryNow() {
    this.stream.retryNow();
  }

  end() {
    this.ended = true;
    clearInterval(this.looking);
    this.connection.end();
    this.stream.stop();
    byId("groups").replaceChildren();
    byId("activity").replaceChildren();
  }

  // --- drawing --------------------------------------------------------------------------------

  changed({ deviceId, command, ended }) {
    if (ended && command.own) this.outcome(command);
    if (command && hasGap(command) && !askedJustNow(command)) this.refresh(command);
    this.dirty.add(deviceId);
    this.frame ??= requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.frame = null;
    if (this.ended) return;
    if (this.dirty.has(null)) this.cards.updateAll();
    else for (const id of this.dirty) this.cards.update(id);
    this.dirty.clear();
    const commands = this.home.allCommands().slice(0, ACTIVITY_SHOWN);
    this.drawActivity(commands);
    mark(byId("no-activity"), "hidden", commands.length > 0);
    this.drawSummary();
  }

  drawSummary() {
    const devices = [...this.home.devices.values()];
    const online = devices.filter((device) => device.online).length;
    mark(byId("waiting"), "hidden", this.home.complete);
    mark(byId("no-devices"), "hidden", !this.home.complete || devices.length > 0);
    const count = devices.length === 1 ? "1 device" : `${devices.length} devices`;
    say(byId("summary"), devices.length ? `${count}, ${online} online` : "");
  }

  outcome(command) {
    const device = this.home.devices.get(command.device_id);
    const why = explanation(command, device?.online);
    const words = [`${device?.name ?? "Device"}: ${commandWords(command)}`, STATUS[command.status], why];
    announce(words.filter(Boolean).join(". "));
  }

  // --- commands -------------------------------------------------------------------------------

  async send(device, command, args, options) {
    const key = crypto.randomUUID();
    this.home.sending(key, device.id, command, args);
    try {
      const answer = await this.api.submit(device.id, { command, args, ...options }, key);
      this.home.accepted(key, answer);
    } catch (problem) {
      this.home.notSent(key);
      toast(`${device.name}: ${commandWords({ command, args }).toLowerCase()} was not sent. ${problem.words ?? problem.message}`);
    }
  }

  async cancel(command) {
    try {
      this.home.takeCommand(await this.api.cancel(command.device_id, command.number));
    } catch (problem) {
      toast(problem.words ?? problem.message);
      this.refresh(command);
    }
  }

  /** Ask for commands that should have moved on; less often the longer they wait. */
  lookAgain() {
    if (document.hidden) return;
    const now = Date.now();
    for (const command of this.home.allCommands()) {
      const asked = command.asked_at ?? Date.parse(command.accepted_at);
      const age = now - Date.parse(command.accepted_at);
      const waits = isOpen(command) && Number.isFinite(command.number);
      if (waits && now - asked > Math.max(LOOK_AGAIN, age / 4)) this.refresh(command);
    }
  }

  async refresh(command) {
    command.asked_at = Date.now();
    try {
      this.home.takeCommand(await this.api.command(command.device_id, command.number));
    } catch {
      // The live stream or the next look brings it.
    }
  }
}

const askedJustNow = (command) => Date.now() - (command.asked_at ?? 0) < 1000;

openEntrance("home", (...access) => new Visit(...access));
