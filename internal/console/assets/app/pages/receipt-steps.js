// What came before and beside a turn's settlement: attempts that were refused, and extensions.
import { html } from "../../vendor/preact-htm.js";
import { day, exact, instant, micros, words } from "../format.js";
import { useSession } from "../session.js";
import { Card, Notice } from "../ui/parts.js";
import { Table } from "../ui/table.js";

/** How the hold was raised. */
export function Extensions({ turn }) {
  const { unit, timeZone } = useSession();
  const rows = turn.extensions ?? [];
  if (!rows.length) return null;
  return html`
    <${Card} title="Extensions" hint=${turn.moreExtensions ? "The first ones." : ""}>
      <${Table} caption="Extensions, in order" rows=${rows} keyOf=${(e) => e.requestId} columns=${[
        { key: "at", title: "When", head: true, cell: (e) => instant(e.at, timeZone) },
        { key: "more", title: "Held more", number: true, cell: (e) => exact(e.additionalMicros, unit) },
        { key: "until", title: "Expires", cell: (e) => instant(e.expiresAt, timeZone) },
        { key: "request", title: "Request", cell: (e) => html`<code>${e.requestId}</code>` },
      ]} />
    <//>`;
}

const reasons = {
  EXTRA_USAGE_NOT_ENABLED: "The allowance was used, and there was no access to the pool",
  POOL_EMPTY: "The pool had not enough left",
  MEMBER_CAP_REACHED: "The limit on the pool was reached",
  INDIVIDUAL_EXHAUSTED: "Neither allowance nor pool had enough left",
  ABUSE_LIMIT: "Too many tokens in a short time",
};

/** Attempts that were refused, each with what heals it. */
export const Refused = ({ refusals, more }) => html`
  <${Card} title="Refused attempts" hint=${more ? "The latest ones, the oldest of them first. A refused turn costs nothing." : "A refused turn costs nothing."}>
    <div class="stack">${refusals.map((r, i) => html`<${Refusal} key=${i} refusal=${r} />`)}</div>
  <//>`;

function Refusal({ refusal: r }) {
  const { unit, timeZone } = useSession();
  const rooms = r.rooms ?? {};
  const needed = micros(r.minimumMicros) || micros(r.estimateMicros);
  return html`
    <${Notice} kind=${r.healed ? "good" : "danger"}>
      <p><strong>${reasons[r.reason] ?? words(r.reason)}</strong> <span class="muted small">${instant(r.at, timeZone)}</span></p>
      <ul class="plain-list small number">
        ${needed > 0n && html`<li>Needed: ${exact(needed, unit)}</li>`}
        <li>Room in the allowance: ${exact(rooms.allowanceRoomMicros, unit)}</li>
        ${rooms.capRoomMicros !== undefined && html`<li>Left of the limit: ${exact(rooms.capRoomMicros, unit)}</li>`}
        ${rooms.poolAvailableMicros !== undefined && html`<li>Available in the pool: ${exact(rooms.poolAvailableMicros, unit)}</li>`}
        ${r.resetsAt && html`<li>The month ended, or ends, on ${day(r.resetsAt, timeZone)}</li>`}
      </ul>
      ${r.remedy && html`<p>${r.remedy}</p>`}
    <//>`;
}
