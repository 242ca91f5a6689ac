// Cost day by day, as a plot and as the table beneath it.
import { html } from "../../vendor/preact-htm.js";
import { call } from "../api.js";
import { addDays, exact, money, plainDate, short } from "../format.js";
import { useLive } from "../live.js";
import { ColumnPlot } from "../plot.js";
import { useSession } from "../session.js";
import { Icon } from "../ui/icons.js";
import { Card } from "../ui/parts.js";
import { show, State } from "../ui/states.js";
import { Table } from "../ui/table.js";
import { figureColumns, layersIn, partsOf } from "./figures.js";
import { csvPath, paceOf, spanFields, spanKey } from "./span.js";

/** More columns than these are too thin to see. */
const mostColumns = 100;

/** The report by day, whose totals are those of the whole span. */
export function useDays(span) {
  const { organizationId } = useSession();
  return useLive((signal) => call("UsageService/ReportUsage", {
    organizationId, groupBy: "USAGE_GROUPING_DAY", pageSize: 1000, ...spanFields(span),
  }, { signal }), [organizationId, spanKey(span)], { every: paceOf(span), keep: true });
}

export function DayReport({ live, span }) {
  return html`
    <${Card} title="Cost by day" busy=${live.loading}
      actions=${html`<a class="button small" href=${csvPath(span, "DAY")} download><${Icon} name="download" />CSV</a>`}>
      ${show(live, (data) => html`<${Days} rows=${data.rows ?? []} span=${span} />`, { block: true, lines: 0, what: "the cost by day" })}
    <//>`;
}

function Days({ rows, span }) {
  const { unit } = useSession();
  if (!rows.length) {
    return html`<${State} icon="reports" title="No turns in this span">Choose a longer one, or wait for the first turn.<//>`;
  }
  const kinds = layersIn(rows);
  const columns = every(span, rows).slice(-mostColumns);
  return html`
    <div class="stack">
      <${ColumnPlot} title="Cost by day" summary=${summaryOf(rows, unit)} columns=${columns} kinds=${kinds}
        format=${(v) => exact(v, unit)} formatTick=${(v) => short(v, unit)} />
      <details>
        <summary>The same as a table</summary>
        <${Table} caption="Cost by day, newest first" rows=${[...rows].reverse()} keyOf=${(r) => r.startsAt} columns=${[
          { key: "day", title: "Day", head: true, cell: (r) => plainDate(r.value) }, ...figureColumns(unit),
        ]} />
      </details>
    </div>`;
}

/** A column for each day of the span, also of those on which nothing happened. */
function every(span, rows) {
  const byDate = new Map();
  for (const row of rows) {
    const parts = partsOf(row.figures);
    const before = byDate.get(row.value) ?? partsOf();
    byDate.set(row.value, Object.fromEntries(Object.keys(parts).map((k) => [k, parts[k] + before[k]])));
  }
  const columns = [];
  for (let date = span.first; date <= span.last && columns.length < 1000; date = addDays(date, 1)) {
    columns.push({
      key: date, parts: byDate.get(date) ?? partsOf(), name: plainDate(date),
      tick: plainDate(date, { day: "numeric", month: "short" }),
    });
  }
  return columns;
}

function summaryOf(rows, unit) {
  const cost = (r) => BigInt(r.figures.actualMicros ?? 0);
  const dearest = rows.reduce((a, r) => (cost(r) > cost(a) ? r : a), rows[0]);
  return `The dearest day was ${plainDate(dearest.value)} with ${money(cost(dearest), unit)}.`;
}
