// What @dailymotion/vast-client would report for the VAST on standard input: one object for each
// InLine ad, with the addresses of every kind. The first argument is the folder of the package, the
// second a file that any wrapper leads to; no connection is opened.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(import.meta.url);
const { VASTClient } = require(join(process.argv[2], "dist/vast-client-node.js"));
const { DOMParser } = createRequire(join(process.argv[2], "package.json"))("@xmldom/xmldom");

const xml = new DOMParser().parseFromString(readFileSync(0, "utf8"), "text/xml");
const answer = process.argv[3] ? readFileSync(process.argv[3], "utf8") : "<VAST version='4.2'/>";
const get = async () => ({ xml: new DOMParser().parseFromString(answer, "text/xml") });
const { ads } = await new VASTClient().parseVAST(xml, { resolveAll: true, urlHandler: { get } });

const told = [];
for (const ad of ads) {
  if (ad.creatives.length === 0) continue;
  const kinds = {
    impression: ad.impressionURLTemplates.map((one) => one.url),
    error: ad.errorURLTemplates,
    viewable: (ad.viewableImpression ?? []).flatMap((one) => one.viewable ?? []),
    verification: (ad.adVerifications ?? []).map((one) => one.resource),
  };
  for (const creative of ad.creatives) {
    for (const [event, urls] of Object.entries(creative.trackingEvents ?? {})) {
      kinds[`tracking ${event}`] = [...(kinds[`tracking ${event}`] ?? []), ...urls];
    }
    for (const name of ["videoClickTrackingURLTemplates", "videoCustomClickURLTemplates"]) {
      kinds[name] = [...(kinds[name] ?? []), ...(creative[name] ?? []).map((one) => one.url)];
    }
    if (creative.videoClickThroughURLTemplate) {
      kinds.clickThrough = [creative.videoClickThroughURLTemplate.url];
    }
    for (const variation of creative.variations ?? []) {
      for (const [event, urls] of Object.entries(variation.trackingEvents ?? {})) {
        kinds[`companion ${event}`] = [...(kinds[`companion ${event}`] ?? []), ...urls];
      }
    }
  }
  told.push(kinds);
}
process.stdout.write(JSON.stringify(told));
