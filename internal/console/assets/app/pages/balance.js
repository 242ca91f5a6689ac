// The pool's balance over time: day by day as the reports have it, or movement by movement as the statement has it.
import { html, useState } from "../../vendor/preact-htm.js";
import { call, pageOf } from "../api.js";
import { now } from "../clock.js";
import { addDays, dateIn, day, dayShort, exact, instant, micros, moment, money, short, startOf } from "../format.js";
import { useLive } from "../live.js";
import { StairPlot } from "../plot.js";
import { useSession } from "../session.js";
import { Card, Segments } from "../ui/parts.js";
import { show, State } from "../ui/states.js";
import { Table } from "../ui/table.js";

const latestMovements = 300;
/** Fewer days than these make no line: the latest movements say more. */
const enoughDays = 3;

const ranges = [["30", "30 days"], ["90", "90 days"], ["latest", "Latest"]];

export function BalancePlot({ pool }) {
  const session = useSession();
  const [chosen, setChosen] = useState("");
  const byDay = session.shows.reports && chosen !== "latest";
  const live = useLive((signal) => load(session, byDay ? Number(chosen || 30) : 0, !chosen, signal),
    [session.organizationId, chosen], { every: 10_000, keep: true });
  const range = live.data?.daily === false ? "latest" : chosen || "30";
  return html`
    <${Card} title="Balance over time" busy=${live.loading}
      actions=${session.shows.reports && html`<${Segments} label="Span" value=${range} choices=${ranges} onChoose=${setChosen} />`}>
      ${show(live, (data) => html`<${Plot} points=${withNow(data.points, pool, session)} pool=${pool} unit=${session.unit} />`,
        { block: true, lines: 0, what: "the balance over time" })}
    <//>`;
}

async function load(session, days, mayChange, signal) {
  if (days) {
    const points = await dailyPoints(session, days, signal);
    if (points.length >= enoughDays || !mayChange) return { points, daily: true };
  }
  return { points: await latestPoints(session, signal), daily: false };
}

/** The balance at the end of each day on which it moved. */
async function dailyPoints({ organizationId, timeZone }, days, signal) {
  const from = startOf(addDays(dateIn(now(), timeZone), 1 - days), timeZone);
  const answer = await call("UsageService/ReportUsage", {
    organizationId, groupBy: "USAGE_GROUPING_DAY", pageSize: 1000,
    from: new Date(from).toISOString(), to: new Date(now() + 60_000).toISOString(),
  }, { signal });
  return (answer.rows ?? []).filter((row) => row.poolBalanceMicros !== undefined).map((row) => {
    const at = Math.min(Date.parse(row.endsAt), now());
    return { at, value: micros(row.poolBalanceMicros), name: `End of ${day(row.startsAt, timeZone)}`, tick: dayShort(row.startsAt, timeZone) };
  });
}

/** The balance after each of the latest movements of the pool, however many turns that allowances paid came after them. */
async function latestPoints({ organizationId, timeZone }, signal) {
  const { rows } = await pageOf("PoolService/ListLedgerEntries", {
    organizationId, newestFirst: true, pageSize: latestMovements,
    kinds: ["LEDGER_ENTRY_KIND_TOP_UP", "LEDGER_ENTRY_KIND_REFUND", "LEDGER_ENTRY_KIND_POOL_CHARGE"],
  }, (answer) => answer.entries, { signal });
  const entries = [...rows].reverse();
  const wide = entries.length > 1 && Date.parse(entries.at(-1).at) - Date.parse(entries[0].at) > 2 * 86_400_000;
  return entries.map((entry) => ({
    at: Date.parse(entry.at), value: micros(entry.poolBalanceAfterMicros), name: instant(entry.at, timeZone),
    tick: wide ? dayShort(entry.at, timeZone) : timeOf(entry.at, timeZone),
  }));
}

const timeOf = (at, zone) => new Intl.DateTimeFormat(navigator.languages, { timeStyle: "short", timeZone: zone }).format(new Date(at));

/** The points up to now: the balance stands as it is until something moves it. */
function withNow(points, pool, { timeZone }) {
  if (!pool || !points.length) return points;
  const at = now();
  const past = points.filter((p) => p.at < at - 1000);
  return [...past, { at, value: micros(pool.balanceMicros), name: `Now, ${moment(at, timeZone)}`, tick: "now" }];
}

function Plot({ points, pool, unit }) {
  if (!points.length && micros(pool?.purchasedLifetimeMicros) > 0n) {
    return html`<${State} icon="pool" title="Nothing has moved for long">The balance stands at ${exact(pool.balanceMicros, unit)}. What moved it is in the statement below.<//>`;
  }
  if (!points.length) {
    return html`<${State} icon="pool" title="Nothing has moved yet">The balance is drawn here from the first purchase on.<//>`;
  }
  const lowest = points.reduce((a, p) => (p.value < a ? p.value : a), points[0].value);
  const highest = points.reduce((a, p) => (p.value > a ? p.value : a), points[0].value);
  const summary = `From ${money(points[0].value, unit)} to ${money(points.at(-1).value, unit)}; between ${money(lowest, unit)} and ${money(highest, unit)}.`;
  return html`
    <div class="stack">
      <${StairPlot} title="Balance over time" summary=${summary} points=${points} format=${(v) => exact(v, unit)} formatTick=${(v) => short(v, unit)} />
      <details>
        <summary class="small muted">The same as a table</summary>
        <${Table} caption="Balance over time" keyOf=${(p) => p.at} rows=${[...points].reverse().slice(0, 100)} columns=${[
          { key: "at", title: "When", head: true, cell: (p) => p.name },
          { key: "value", title: "Balance", number: true, cell: (p) => exact(p.value, unit) },
        ]} />
      </details>
    </div>`;
}
