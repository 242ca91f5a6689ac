// The statement: every movement of money, newest first, with the balance that it left.
import { html, useState } from "../../vendor/preact-htm.js";
import { pageOf } from "../api.js";
import { addDays, decimalsOf, exact, instant, micros, startOf } from "../format.js";
import { once, useLive } from "../live.js";
import { useNames } from "../names.js";
import { useSession } from "../session.js";
import { Icon } from "../ui/icons.js";
import { Button, Card } from "../ui/parts.js";
import { show, State } from "../ui/states.js";
import { Pager, Table } from "../ui/table.js";
import { isOver } from "./span.js";

const pageSize = 20;

const kinds = {
  LEDGER_ENTRY_KIND_TOP_UP: { name: "Purchase", sign: 1n },
  LEDGER_ENTRY_KIND_REFUND: { name: "Refund", sign: -1n },
  LEDGER_ENTRY_KIND_POOL_CHARGE: { name: "Turn", sign: -1n },
  LEDGER_ENTRY_KIND_ALLOWANCE_CHARGE: { name: "Turn, paid by allowance", sign: 0n },
};

const choices = {
  pool: { text: "All that moves the pool", kinds: ["LEDGER_ENTRY_KIND_TOP_UP", "LEDGER_ENTRY_KIND_REFUND", "LEDGER_ENTRY_KIND_POOL_CHARGE"] },
  bought: { text: "Purchases and refunds", kinds: ["LEDGER_ENTRY_KIND_TOP_UP", "LEDGER_ENTRY_KIND_REFUND"] },
  turns: { text: "Turns paid by the pool", kinds: ["LEDGER_ENTRY_KIND_POOL_CHARGE"] },
  all: { text: "Everything, allowances included", kinds: [] },
};

export function Statement() {
  const { organizationId, timeZone } = useSession();
  const [filter, setFilter] = useState({ kind: "pool", from: "", to: "" });
  const [tokens, setTokens] = useState([""]);
  const pageToken = tokens.at(-1);
  const span = spanOf(filter, timeZone);
  const wrong = Boolean(filter.from && filter.to && filter.from > filter.to);
  const moves = !pageToken && !wrong && !(span.to && isOver(Date.parse(span.to)));
  const live = useLive(
    (signal) => (wrong ? Promise.resolve({ rows: [] }) : pageOf("PoolService/ListLedgerEntries", {
      organizationId, newestFirst: true, pageSize, pageToken, kinds: choices[filter.kind].kinds, ...span,
    }, (answer) => answer.entries, { signal })),
    [organizationId, filter.kind, filter.from, filter.to, pageToken], { every: moves ? 2000 : once, keep: true },
  );
  const change = (part) => { setFilter({ ...filter, ...part }); setTokens([""]); };
  const goTo = (page) => setTokens(page < tokens.length ? tokens.slice(0, page + 1) : [...tokens, live.data.nextPageToken]);
  const pages = live.data?.nextPageToken ? Infinity : tokens.length;
  return html`
    <${Card} title="Statement" hint="Newest first. The balance is the pool’s after each movement." busy=${live.loading}
      actions=${html`<a class="button small" href=${csvPath(span, choices[filter.kind].kinds)} download><${Icon} name="download" />CSV</a>`}>
      <${Filter} filter=${filter} change=${change} wrong=${wrong} />
      ${show(live, (data) => (data.rows.length
        ? html`<${Entries} entries=${data.rows} />`
        : html`<${Nothing} filtered=${filter.from || filter.to || filter.kind !== "pool"} clear=${() => change({ kind: "pool", from: "", to: "" })} />`),
      { lines: 6, what: "the statement" })}
      <${Pager} page=${tokens.length - 1} pages=${pages} onPage=${goTo} label="Pages of the statement" />
    <//>`;
}

/** The span of a filter as moments: its days are whole days of the organization's time zone. */
function spanOf({ from, to }, zone) {
  const span = {};
  if (from) span.from = new Date(startOf(from, zone)).toISOString();
  if (to) span.to = new Date(startOf(addDays(to, 1), zone)).toISOString();
  return span;
}

/** The address of the statement as CSV, of the same span and kinds. */
function csvPath(span, kindsShown) {
  const query = new URLSearchParams(span);
  for (const kind of kindsShown) query.append("kind", kind.replace("LEDGER_ENTRY_KIND_", ""));
  return `/download/statement.csv?${query}`;
}

const Filter = ({ filter, change, wrong }) => html`
  <form class="tools" onSubmit=${(event) => event.preventDefault()}>
    <div class="field">
      <label for="statement-kind">Show</label>
      <select class="select" id="statement-kind" value=${filter.kind} onChange=${(e) => change({ kind: e.target.value })}>
        ${Object.entries(choices).map(([key, c]) => html`<option key=${key} value=${key}>${c.text}</option>`)}
      </select>
    </div>
    <div class="field">
      <label for="statement-from">From</label>
      <input class="input" type="date" id="statement-from" value=${filter.from} onChange=${(e) => change({ from: e.target.value })} />
    </div>
    <div class="field">
      <label for="statement-to">To</label>
      <input class="input" type="date" id="statement-to" value=${filter.to} onChange=${(e) => change({ to: e.target.value })}
        aria-invalid=${wrong ? "true" : undefined} aria-describedby=${wrong ? "statement-wrong" : undefined} />
    </div>
    ${wrong && html`<p class="danger small" id="statement-wrong">The first day is after the last one.</p>`}
  </form>`;

const Nothing = ({ filtered, clear }) => (filtered
  ? html`<${State} icon="empty" title="Nothing in this span" actions=${html`<${Button} onClick=${clear}>Show everything<//>`}>
      No movement fits what you chose.<//>`
  : html`<${State} icon="empty" title="No movements yet">Purchases and the turns that the pool pays are listed here.<//>`);

function Entries({ entries }) {
  const { organizationId, unit, timeZone } = useSession();
  const name = useNames(organizationId, entries.map((e) => e.memberId));
  const decimals = decimalsOf(entries.flatMap((e) => [e.amountMicros, e.poolBalanceAfterMicros]));
  const columns = [
    { key: "at", title: "When", head: true, cell: (e) => html`<time class="nowrap" datetime=${e.at}>${instant(e.at, timeZone)}</time>` },
    { key: "what", title: "What", cell: (e) => html`<${What} entry=${e} name=${name} />` },
    { key: "amount", title: "Amount", number: true, cell: (e) => html`<${Signed} entry=${e} unit=${unit} decimals=${decimals} />` },
    { key: "balance", title: "Balance", number: true, cell: (e) => exact(e.poolBalanceAfterMicros, unit, decimals) },
  ];
  return html`<${Table} caption="Statement, newest first" columns=${columns} rows=${entries} keyOf=${(e) => e.sequence} />`;
}

function What({ entry, name }) {
  const kind = kinds[entry.kind]?.name ?? entry.kind;
  if (!entry.reservationId) return html`${kind}${entry.reference && html` <span class="muted">${entry.reference}</span>`}`;
  return html`<a href=${`/turns/${entry.reservationId}`}>${kind}</a> <span class="muted">of ${name(entry.memberId)}</span>`;
}

/** An amount with the direction in which it moved the pool. */
function Signed({ entry, unit, decimals }) {
  const { sign = 0n } = kinds[entry.kind] ?? {};
  if (sign === 0n) return html`<span class="muted">${exact(entry.amountMicros, unit, decimals)}</span>`;
  return html`<span class=${sign > 0n ? "good" : ""}>${exact(sign * micros(entry.amountMicros), unit, { ...decimals, signDisplay: "always" })}</span>`;
}
