// The figures of a turn that was let run: what it was charged, what was held for it, and how its tokens were priced.
import { html } from "../../vendor/preact-htm.js";
import { count, decimalText, exact, micros, words } from "../format.js";
import { useSession } from "../session.js";
import { Bar, Card, Notice } from "../ui/parts.js";
import { Table } from "../ui/table.js";
import { accessText } from "./access.js";
import { stateOf } from "./turns.js";

const Facts = ({ items }) => html`
  <dl class="facts number">
    ${items.filter(([, value]) => value).map(([key, value]) => html`
      <dt key=${`${key}-name`}>${key}</dt><dd key=${key}>${value}</dd>`)}
  </dl>`;

/** What it was charged, by layer, and what that left. */
export function Charge({ turn }) {
  const { unit } = useSession();
  const { reservation, remains } = turn;
  const charge = reservation.charge;
  if (!charge) {
    const text = stateOf(reservation) === "HELD" ? "Nothing yet: the turn runs. It is charged when it ends." : "Nothing: nobody settled the turn, and its hold went back. It can still be settled, late.";
    return html`<${Card} title="Charged"><p class="muted">${text}</p><//>`;
  }
  const parts = [{ amount: micros(charge.allowanceMicros), kind: "used" }, { amount: micros(charge.poolMicros), kind: "pool" }];
  const actual = micros(charge.actualMicros);
  return html`
    <${Card} title="Charged">
      <div class="stack">
        <div class="big">${exact(parts[0].amount + parts[1].amount, unit)}</div>
        ${actual > 0n && html`<${Bar} label="Charge by layer" text=${`Allowance ${exact(parts[0].amount, unit)}, pool ${exact(parts[1].amount, unit)}`} whole=${actual} parts=${parts} />`}
        <${Facts} items=${[
          ["Cost of the turn", exact(actual, unit)],
          ["Paid by the allowance", exact(charge.allowanceMicros, unit)],
          ["Paid by the pool", exact(charge.poolMicros, unit)],
          ["Overrun, paid by nobody", micros(charge.overrunMicros) > 0n && exact(charge.overrunMicros, unit)],
          ["Pool’s balance after it", remains?.poolBalanceMicros !== undefined && exact(remains.poolBalanceMicros, unit)],
          ["Access then", remains?.access && accessText(remains.access, unit)],
          ["Drawn or held in the month, after it", remains && exact(remains.capUsedMicros, unit)],
        ]} />
        ${reservation.late && html`<${Notice} kind="warn"><p>It was settled late, after its hold had lapsed, so it had no hold of its own.</p><//>`}
      </div>
    <//>`;
}

const bounds = {
  HOLD_BOUND_NOTHING: "The allowance had room for all of it.",
  HOLD_BOUND_ALLOWANCE: "The allowance had room for a part or for none of it, and the pool for the rest.",
  HOLD_BOUND_ACCESS: "Less than expected: there was no access to the pool.",
  HOLD_BOUND_CAP: "Less than expected: this was all that the limit left.",
  HOLD_BOUND_POOL: "Less than expected: this was all that the pool had.",
};

/** What was held when it began, of which layer, and which room bound it. */
export function Hold({ turn }) {
  const { unit } = useSession();
  const { rooms } = turn;
  return html`
    <${Card} title="Held when it began" hint=${bounds[turn.bound]}>
      <${Facts} items=${[
        ["Expected cost", exact(turn.firstEstimateMicros, unit)],
        ["Held of the allowance", exact(turn.firstHeldAllowanceMicros, unit)],
        ["Held of the pool", exact(turn.firstHeldPoolMicros, unit)],
        ["Room in the allowance", rooms && exact(rooms.allowanceRoomMicros, unit)],
        ["Available in the pool", rooms?.poolAvailableMicros !== undefined && exact(rooms.poolAvailableMicros, unit)],
        ["Limit per month", turn.capMicros !== undefined && exact(turn.capMicros, unit)],
        ["Drawn or held in the month", rooms && exact(turn.capUsedMicros, unit)],
        ["Left of the limit", rooms?.capRoomMicros !== undefined && exact(rooms.capRoomMicros, unit)],
      ]} />
    <//>`;
}

/** How tokens made the estimate and the cost. */
export function Price({ turn }) {
  const tokens = turn.reservation.tokenUsage;
  const priced = [["The expected cost", turn.estimatePrice], ["The cost", turn.settledPrice]].filter(([, p]) => p);
  if (!priced.length && !tokens) return null;
  return html`
    <${Card} title="Tokens and price">
      <div class="stack">
        ${priced.map(([title, p]) => html`<${Priced} key=${title} title=${title} priced=${p} />`)}
        ${!turn.settledPrice && tokens && html`
          <p class="muted small">The caller told the cost; these are the tokens that it told with it.</p>
          <${Facts} items=${tokenCounts(tokens)} />`}
      </div>
    <//>`;
}

const tokenCounts = (tokens) => Object.entries(tokens).filter(([, n]) => BigInt(n ?? 0) > 0n)
  .map(([name, n]) => [words(name.replace(/([A-Z])/g, "_$1")), count(n)]);

function Priced({ title, priced }) {
  const { unit } = useSession();
  const parts = priced.parts ?? [];
  return html`
    <h3>${title}, by version ${count(priced.priceBookVersion)} of the price book “${priced.priceBookId}”</h3>
    ${parts.length ? html`<${Table} caption=${title} rows=${parts} keyOf=${(p) => p.tokenClass} columns=${[
      { key: "class", title: "Tokens", head: true, cell: (p) => words(String(p.tokenClass ?? "").replace(/^TOKEN_CLASS_/, "")) },
      { key: "count", title: "How many", number: true, cell: (p) => count(p.tokens) },
      { key: "rate", title: "Price of a million", number: true, cell: (p) => decimalText(p.ratePerMillion, unit) },
      { key: "amount", title: "Cost", number: true, cell: (p) => decimalText(p.amount, unit) },
    ]} />` : html`<${Facts} items=${tokenCounts(priced.tokenUsage ?? {})} />`}`;
}
