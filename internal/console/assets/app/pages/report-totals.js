// What a span comes to in all, and why turns were refused in it.
import { html } from "../../vendor/preact-htm.js";
import { count, exact, micros, money, words } from "../format.js";
import { useSession } from "../session.js";
import { Card, Figures, LiveNote } from "../ui/parts.js";
import { show, State } from "../ui/states.js";
import { Table } from "../ui/table.js";
import { tokensOf } from "./figures.js";

export function Totals({ live }) {
  const { unit } = useSession();
  return html`
    <${Card} title="In all" busy=${live.loading} actions=${html`<${LiveNote} live=${live} />`}>
      ${show(live, ({ totals }) => html`<${Figures} items=${[
        { name: "Cost", value: money(totals.actualMicros, unit), title: exact(totals.actualMicros, unit) },
        { name: "Paid by allowances", value: money(totals.allowanceMicros, unit), title: exact(totals.allowanceMicros, unit) },
        { name: "Paid by the pool", value: money(totals.poolMicros, unit), title: exact(totals.poolMicros, unit) },
        { name: "Overrun, paid by nobody", value: money(totals.overrunMicros, unit), title: exact(totals.overrunMicros, unit) },
        { name: "Turns", value: count(totals.turns) },
        { name: "Failed turns", value: count(totals.failedTurns) },
        { name: "Refused turns", value: count(totals.refusedTurns) },
        { name: "Tokens", value: count(tokensOf(totals)) },
      ]} />`, { lines: 4, what: "this report" })}
    <//>`;
}

const advice = {
  EXTRA_USAGE_NOT_ENABLED: ["No access to the pool", html`Grant access under <a href="/members">Members</a>.`],
  POOL_EMPTY: ["Pool empty", html`Buy more for the <a href="/pool">pool</a>.`],
  MEMBER_CAP_REACHED: ["Limit reached", html`Raise the limit under <a href="/members">Members</a>.`],
  INDIVIDUAL_EXHAUSTED: ["Nothing left", html`Buy more for the <a href="/pool">pool</a>.`],
  ABUSE_LIMIT: ["Too many tokens", "It passes by itself, once the window closes."],
  MEMBER_REMOVED: ["Member removed", "Whoever runs your account can add the member again."],
  ORGANIZATION_SUSPENDED: ["Organization suspended", "Ask whoever runs the service."],
};

export function Refusals({ live }) {
  return html`
    <${Card} title="Refused turns, by reason" hint="Each attempt counts. A refused turn costs nothing." busy=${live.loading}>
      ${show(live, ({ totals }) => html`<${Reasons} refusals=${totals.refusals ?? []} />`, { lines: 3, what: "the refusals" })}
    <//>`;
}

function Reasons({ refusals }) {
  if (!refusals.length) return html`<${State} icon="good" title="Nothing was refused">Every turn in this span could run.<//>`;
  const rows = [...refusals].sort((a, b) => Number(micros(b.turns) - micros(a.turns)));
  return html`<${Table} caption="Refused turns by reason" keyOf=${(r) => r.reason} rows=${rows} columns=${[
    { key: "reason", title: "Reason", head: true, cell: (r) => advice[r.reason]?.[0] ?? words(r.reason) },
    { key: "turns", title: "Attempts", number: true, cell: (r) => count(r.turns) },
    { key: "heal", title: "What heals it", cell: (r) => advice[r.reason]?.[1] ?? "" },
  ]} />`;
}
