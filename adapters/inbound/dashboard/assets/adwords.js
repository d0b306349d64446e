// Everything said to people about ads: statuses, stages, sizes, lengths, days.

import { clock, number, percent, spaced } from "./words.js";

export const STATUS = {
  DISCOVERED: "Discovered",
  FETCHED: "Fetched",
  SUBMITTED: "Queued",
  PROGRESSING: "Transcoding",
  COMPLETE: "Complete",
  LINKED: "Linked",
  RELEASED: "Released",
  FAILED: "Failed",
  QUARANTINED: "Quarantined",
  CANCELED: "Canceled",
};

const TONES = {
  COMPLETE: "good", LINKED: "good", RELEASED: "good",
  FAILED: "bad", QUARANTINED: "warn", CANCELED: "quiet",
};
export const tone = (status) => TONES[status] ?? "open";

const STAGES = { PROBING: "Looking at the original", TRANSCODING: "Transcoding", UPLOADING: "Storing" };
const WAITS = {
  DISCOVERED: "Waits for its original",
  FETCHED: "Waits for the transcoder",
  SUBMITTED: "Waits in the transcoder's queue",
  PROGRESSING: "Transcoding",
  RELEASED: "Released, is tried again soon",
};

/** What is being done to one that is under way. */
export function stageWords({ status, stage, progress }) {
  const words = STAGES[progress?.stage ?? stage];
  return (status === "PROGRESSING" && words) || WAITS[status] || STATUS[status] || status;
}

export const titleOf = ({ ad, identity, id }) => ad?.title || ad?.ad_id || identity || id;

/** Who it is from, in a few words. */
export function originWords({ ad, broker }) {
  return [ad?.advertiser, broker && `by ${broker}`].filter(Boolean).join(" · ");
}

export function errorWords({ error, error_words: words, detail }) {
  const said = words || (error ? spaced(error) : "");
  return [said, detail].filter(Boolean).join(said.endsWith(".") ? " " : ": ");
}

/** When a failed one is tried again; empty for others. */
export function retryWords({ status, retry_at: at }, now = Date.now()) {
  if (status !== "FAILED") return "";
  if (!at) return "Not tried again by itself";
  const seconds = Math.ceil((Date.parse(at) - now) / 1000);
  if (seconds <= 0) return "Tried again any moment";
  return `Tried again in ${seconds < 100 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`}`;
}

/** Milliseconds of film → `0:15`. */
export function filmLength(milliseconds) {
  if (!milliseconds) return "";
  const seconds = Math.round(milliseconds / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

export const lengthOf = ({ rendition, source, ad }) =>
  rendition?.duration_ms ?? source?.duration_ms ?? ad?.duration_ms ?? null;

const UNITS = ["B", "kB", "MB", "GB", "TB"];
export function bytes(count) {
  let [value, unit] = [count, 0];
  while (value >= 999.5 && unit < UNITS.length - 1) [value, unit] = [value / 1000, unit + 1];
  return `${number(value, unit && value < 10 ? 1 : 0)} ${UNITS[unit]}`;
}

export const bitRate = (perSecond) =>
  perSecond >= 1e6 ? `${number(perSecond / 1e6, 1)} Mbit/s` : `${number(perSecond / 1000)} kbit/s`;
export const frameRate = (rate) => `${number(rate, Number.isInteger(rate) ? 0 : 2)} fps`;
export const share = (part) => percent(Math.round(part * 1000) / 10);
export const when = (at) => (at ? clock(at) : "");

const EVENTS = {
  creative_discovered: "Seen for the first time",
  creative_fetched: "Original stored",
  creative_linked: "Linked to a creative of the same content",
  job_submitted: "Given to the transcoder",
  job_progressed: "Transcoder goes on",
  transcoding_completed: "Ready",
  transcoding_failed: "Attempt failed",
  transcoding_canceled: "Job canceled",
  transcoding_requested: "Asked for again",
  creative_quarantined: "Quarantined",
  creative_released: "Released",
};

/** A step of the history, and what is known beside it. */
export function stepWords({ event, status, stage, reason, error, attempt, by }) {
  const what = stage ? STAGES[stage] : (EVENTS[event] ?? spaced(event ?? status ?? ""));
  const told = [reason, error && spaced(error), attempt && `attempt ${attempt}`, by && `by ${by}`];
  return [what, told.filter(Boolean).join(", ")];
}

/** Only addresses of the web become links: media addresses come from brokers. */
export function webAddress(url) {
  if (!url) return null;
  try {
    const address = new URL(url, location.href);
    return ["http:", "https:"].includes(address.protocol) ? address.href : null;
  } catch {
    return null;
  }
}
