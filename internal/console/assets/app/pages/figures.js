// What a report's figures are called, and how they are put into columns.
import { html } from "../../vendor/preact-htm.js";
import { count, exact, micros, money } from "../format.js";

/** The layers that pay for turns, from the first one to pay. */
export const layers = [
  { key: "allowance", name: "Allowances" },
  { key: "pool", name: "Pool" },
  { key: "overrun", name: "Overrun, paid by nobody" },
];

/** The layers that occur in the rows: nobody needs a legend for nothing. */
export const layersIn = (rows) => layers.filter((l) => l.key !== "overrun" || rows.some((r) => micros(r.figures.overrunMicros) > 0n));

/** What each layer paid. */
export const partsOf = (figures = {}) => ({
  allowance: micros(figures.allowanceMicros), pool: micros(figures.poolMicros), overrun: micros(figures.overrunMicros),
});

/** All tokens of a row. */
export const tokensOf = (figures) =>
  ["inputTokens", "cachedInputTokens", "cacheWriteTokens", "outputTokens", "reasoningTokens"]
    .reduce((sum, kind) => sum + BigInt(figures?.tokenUsage?.[kind] ?? 0), 0n);

/** The columns that every report's table has after the one that names the row. */
export const figureColumns = (unit) => [
  { key: "turns", title: "Turns", number: true, cell: (r) => count(r.figures.turns) },
  { key: "failed", title: "Failed", number: true, cell: (r) => count(r.figures.failedTurns) },
  { key: "refused", title: "Refused", number: true, cell: (r) => count(r.figures.refusedTurns) },
  { key: "tokens", title: "Tokens", number: true, cell: (r) => count(tokensOf(r.figures)) },
  { key: "allowance", title: "Allowances", number: true, cell: (r) => amount(r.figures.allowanceMicros, unit) },
  { key: "pool", title: "Pool", number: true, cell: (r) => amount(r.figures.poolMicros, unit) },
  { key: "cost", title: "Cost", number: true, cell: (r) => amount(r.figures.actualMicros, unit) },
];

const amount = (value, unit) => html`<span title=${exact(value, unit)}>${money(value, unit)}</span>`;
