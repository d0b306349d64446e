// Controls for commands that this page has no special one for: a button, with a field for each
// argument of the command's JSON schema.

import { el } from "./dom.js";
import { spaced } from "./words.js";

export function genericControls(port, known) {
  return port
    .commands()
    .filter(({ name }) => !known.has(name))
    .map(({ name, args }) => ({ node: form(port, name, args ?? {}), update: () => {} }));
}

function form(port, name, schema) {
  const required = new Set(schema.required ?? []);
  const fields = Object.entries(schema.properties ?? {}).map(([key, property]) =>
    field(key, resolved(property, schema), required.has(key)),
  );
  const submit = el("button", { type: "submit" }, spaced(name.split(".").pop()));
  const node = el("form", { class: "generic" }, ...fields.map((one) => one.node), submit);
  node.addEventListener("submit", (event) => {
    event.preventDefault();
    const given = fields.map(({ key, value }) => [key, value()]);
    port.send(name, Object.fromEntries(given.filter(([, value]) => value !== undefined)), {});
  });
  return node;
}

const resolved = (property, schema) =>
  property.$ref ? (schema.$defs?.[property.$ref.split("/").pop()] ?? property) : property;

function field(key, schema, required) {
  const input = schema.enum ? choice(schema, required) : entry(schema, required);
  const node = el("label", {}, el("span", {}, spaced(key)), input);
  const value = () => {
    if (input.type === "checkbox") return input.checked;
    if (input.value === "") return undefined;
    return input.type === "number" ? Number(input.value) : input.value;
  };
  return { key, node, value };
}

function choice(schema, required) {
  const options = schema.enum.map((value) => el("option", { value }, spaced(String(value))));
  return el("select", { required }, ...(required ? [] : [el("option", { value: "" }, "–")]), ...options);
}

function entry({ type, minimum, maximum, default: initial }, required) {
  if (type === "boolean") return el("input", { type: "checkbox" });
  const numeric = type === "integer" || type === "number";
  return el("input", {
    type: numeric ? "number" : "text", min: minimum, max: maximum, required,
    step: type === "number" ? "any" : null, value: initial,
  });
}
