// Cards in columns without holes. Where a card stands depends on what it can do, not on what it
// shows at the moment: a command coming in never moves a card to another column.

import { arrange, el } from "./dom.js";

const NARROWEST = 260;
const GAP = 14;

/** How many columns fit into an element as wide as this one. */
export const columnsIn = (place) =>
  Math.max(1, Math.floor((place.clientWidth + GAP) / (NARROWEST + GAP)));

/** Give each card, `{ node, weight }`, to the column that is the lightest so far. */
export function spread(grid, cards, count) {
  grid.style.setProperty("--columns", count);
  while (grid.children.length < count) grid.append(el("div", { class: "column" }));
  const columns = [...grid.children].slice(0, count).map((node) => ({ node, weight: 0, cards: [] }));
  for (const card of cards) {
    const lightest = columns.reduce((best, one) => (one.weight < best.weight ? one : best));
    lightest.weight += card.weight;
    lightest.cards.push(card.node);
  }
  for (const column of columns) arrange(column.node, column.cards);
  arrange(grid, columns.map((column) => column.node));
}
