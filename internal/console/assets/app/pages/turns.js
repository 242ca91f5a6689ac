// Turns in a table, each with the way to its receipt.
import { html } from "../../vendor/preact-htm.js";
import { exact, instant, micros, money } from "../format.js";
import { useSession } from "../session.js";
import { State } from "../ui/states.js";
import { Table } from "../ui/table.js";

/** What became of a turn, in a word and a colour. */
export const outcomes = {
  HELD: { text: "Running", tone: "accent" },
  COMMITTED: { text: "Charged", tone: "good" },
  RELEASED: { text: "Failed, not charged", tone: "" },
  EXPIRED: { text: "Expired", tone: "warn" },
};

/** A reservation's state without its prefix. */
export const stateOf = (reservation) => String(reservation?.state ?? "").replace(/^RESERVATION_STATE_/, "");

export function Turns({ turns }) {
  const { unit, timeZone } = useSession();
  if (!turns.length) {
    return html`<${State} icon="empty" title="No turns yet">They appear here as soon as your assistant answers.<//>`;
  }
  const columns = [
    { key: "at", title: "Began", head: true, cell: (t) => html`<a href=${`/turns/${t.reservationId}`}><time datetime=${t.createdAt}>${instant(t.createdAt, timeZone)}</time></a>` },
    { key: "model", title: "Model", cell: (t) => t.turn?.model || html`<span class="muted">not named</span>` },
    { key: "state", title: "State", cell: (t) => html`<${Outcome} turn=${t} />` },
    { key: "allowance", title: "Allowance", number: true, cell: (t) => html`<${Part} turn=${t} layer="allowance" unit=${unit} />` },
    { key: "pool", title: "Pool", number: true, cell: (t) => html`<${Part} turn=${t} layer="pool" unit=${unit} />` },
  ];
  return html`<${Table} caption="Turns, newest first" columns=${columns} rows=${turns} keyOf=${(t) => t.reservationId} />`;
}

export function Outcome({ turn }) {
  const state = stateOf(turn);
  const { text, tone } = outcomes[state] ?? { text: state, tone: "" };
  const charged = micros(turn.charge?.allowanceMicros) + micros(turn.charge?.poolMicros);
  const shown = state === "RELEASED" && charged > 0n ? "Failed, charged" : text;
  return html`<span class="row"><span class=${`badge ${tone}`}>${shown}</span>${turn.late && html`<span class="badge warn">Late</span>`}</span>`;
}

/** What a layer paid of a turn or, while it runs, what it holds of it. */
function Part({ turn, layer, unit }) {
  const charged = micros(turn.charge?.[`${layer}Micros`]);
  if (turn.charge) return html`<span title=${exact(charged, unit)}>${money(charged, unit)}</span>`;
  if (stateOf(turn) !== "HELD") return html`<span class="muted">–</span>`;
  const held = layer === "pool" ? turn.heldPoolMicros : turn.heldAllowanceMicros;
  return html`<span class="muted">${money(held, unit)} held</span>`;
}
