// Reads a DASH manifest from standard input; prints what the player's parser makes of it, as JSON.
import { readFileSync } from "node:fs";
import { parse } from "mpd-parser";

const text = readFileSync(0, "utf8");
const found = parse(text, { manifestUri: "http://films.example/r/manifest.mpd" });
const media = (one) => ({
  attributes: one.attributes,
  segments: (one.segments ?? []).map((part) => ({
    uri: part.resolvedUri,
    duration: part.duration,
    map: part.map?.resolvedUri,
  })),
});
const group = (name) =>
  Object.values(found.mediaGroups[name] ?? {}).flatMap((languages) =>
    Object.entries(languages).map(([language, one]) => ({
      language,
      playlists: one.playlists.map(media),
    })),
  );
process.stdout.write(
  JSON.stringify({
    duration: found.duration,
    video: found.playlists.map(media),
    audio: group("AUDIO"),
    subtitles: group("SUBTITLES"),
  }),
);
