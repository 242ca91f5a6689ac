// The organization's pool: what is in it, where it went, and how long it lasts.
import { html, useState } from "../../vendor/preact-htm.js";
import { call } from "../api.js";
import { now } from "../clock.js";
import { amountExample, counted, exact, micros, money, parseAmount, plainDate } from "../format.js";
import { useLive } from "../live.js";
import { useSession } from "../session.js";
import { announce } from "../ui/announce.js";
import { Dialog, FieldProblem } from "../ui/dialog.js";
import { Icon } from "../ui/icons.js";
import { Button, Card, Figures, LiveNote, Moving, Notice, PageHead } from "../ui/parts.js";
import { Failed, show } from "../ui/states.js";
import { BalancePlot } from "./balance.js";
import { Statement } from "./statement.js";

export function PoolPage() {
  const session = useSession();
  const { organizationId } = session;
  const pool = useLive((signal) => call("PoolService/GetPool", { organizationId }, { signal }), [organizationId]);
  const alone = session.planKind === "INDIVIDUAL";
  const title = alone ? "Your pool" : "Organization pool";
  if (pool.error?.refused) {
    return html`<${PageHead} title=${title} /><section class="card"><${Failed} error=${pool.error} what="the pool" /></section>`;
  }
  return html`
    <${PageHead} title=${title} actions=${html`<${LiveNote} live=${pool} /><${BuyMore} session=${session} refresh=${pool.refresh} />`}>
      ${alone ? "What you bought ahead, for turns that your allowance does not pay." : `What ${session.organizationName} bought ahead, for turns that no allowance pays.`}
    <//>
    <section class="card" aria-label="Balance" aria-busy=${pool.loading ? "true" : "false"}>
      ${show(pool, (data) => html`<${Balance} pool=${data.pool} session=${session} />`, { lines: 4, what: "the pool" })}
    </section>
    <div class="cards two">
      <${BalancePlot} pool=${pool.data?.pool} />
      <${HowItWorks} alone=${alone} />
    </div>
    <${Statement} />`;
}

function Balance({ pool, session }) {
  const { unit } = pool;
  const empty = micros(pool.availableMicros) === 0n;
  return html`
    <div class="hero">
      <div class="hero-figure">
        <h2 class="muted">Available now</h2>
        <div class=${`big ${empty ? "danger" : ""}`} title=${exact(pool.availableMicros, unit)}><${Moving}>${money(pool.availableMicros, unit)}<//></div>
        <${EmptyNote} pool=${pool} empty=${empty} />
        ${(session.administers || session.planKind === "INDIVIDUAL") && html`<${Runway} />`}
      </div>
      <${Figures} items=${[
        { name: "Purchased, lifetime", value: money(pool.purchasedLifetimeMicros, unit), title: exact(pool.purchasedLifetimeMicros, unit) },
        { name: "Consumed by members, lifetime", value: money(pool.consumedLifetimeMicros, unit), title: exact(pool.consumedLifetimeMicros, unit) },
        { name: "Held now", value: money(pool.heldMicros, unit), title: exact(pool.heldMicros, unit) },
        { name: "Balance, holds included", value: money(pool.balanceMicros, unit), title: exact(pool.balanceMicros, unit) },
        ...(micros(pool.refundedLifetimeMicros) > 0n ? [{ name: "Refunded, lifetime", value: money(pool.refundedLifetimeMicros, unit) }] : []),
      ]} />
    </div>`;
}

function EmptyNote({ pool, empty }) {
  if (!empty) return null;
  if (micros(pool.balanceMicros) > 0n) return html`<p class="warn">Open turns hold all of it. What they do not use comes back.</p>`;
  return html`<p class="danger">Nothing is left: turns that no allowance pays are stopped. Buy more to let them run.</p>`;
}

/** How long it lasts, as an estimate with its basis. */
function Runway() {
  const { organizationId, unit } = useSession();
  const live = useLive((signal) => call("UsageService/EstimateRunway", { organizationId }, { signal }), [organizationId], { every: 30_000 });
  const runway = live.data?.runway;
  if (!runway || !BigInt(runway.basis?.days ?? 0)) return null;
  const basis = `at the pace of the last ${counted(runway.basis.days, "day")} (${money(runway.basis.dailyPoolMicros, unit)} a day)`;
  if (!runway.poolEmptyOn) return html`<p class="muted">Estimate: does not run empty ${basis}.</p>`;
  return html`<p class="muted">Estimate: runs empty about <strong>${plainDate(runway.poolEmptyOn, { day: "numeric", month: "long", year: yearOf(runway.poolEmptyOn) })}</strong>, ${basis}.</p>`;
}

const yearOf = (date) => (date.year === new Date(now()).getFullYear() ? undefined : "numeric");

/** The way to more: the billing system's page and, on a development server, a form that tops up at once. */
function BuyMore({ session, refresh }) {
  const [open, setOpen] = useState(false);
  const buys = session.administers || session.planKind === "INDIVIDUAL";
  if (!buys) return null;
  return html`
    ${session.buyMoreURL && html`<a class="button primary" href=${session.buyMoreURL} rel="noopener"><${Icon} name="cart" />Buy more</a>`}
    ${session.dev && html`<${Button} class=${session.buyMoreURL ? "" : "primary"} onClick=${() => setOpen(true)}><${Icon} name="cart" />${session.buyMoreURL ? "Top up (dev)" : "Buy more"}<//>`}
    ${open && html`<${TopUpDialog} onClose=${() => setOpen(false)} onDone=${refresh} />`}`;
}

/** Tops up as the billing service would: only a development server lets the page do that. */
function TopUpDialog({ onClose, onDone }) {
  const { organizationId, unit } = useSession();
  const [amount, setAmount] = useState("");
  const [reference, setReference] = useState("");
  const [requestId] = useState(() => `page-${crypto.randomUUID()}`);
  const [wrong, setWrong] = useState("");
  const submit = async () => {
    const bought = parseAmount(amount);
    if (bought === null || bought < 1n) {
      setWrong(`Enter an amount, such as ${amountExample()}.`);
      document.getElementById("top-up-amount").focus();
      throw new FieldProblem();
    }
    await call("PoolService/TopUp", { organizationId, requestId, amountMicros: String(bought), reference }, { asOperator: true });
    announce(`Added ${exact(bought, unit)} to the pool.`);
    onDone();
  };
  return html`
    <${Dialog} title="Top up the pool" submitLabel="Top up" submit=${submit} onClose=${onClose}>
      <${Notice}><p>This server runs for development, so nothing is paid. In production the billing system does this, once an invoice is paid.</p><//>
      <div class="field">
        <label for="top-up-amount">Amount</label>
        <div class="input-unit">
          <input class="input number" id="top-up-amount" type="text" inputmode="decimal" autocomplete="off" value=${amount}
            aria-invalid=${wrong ? "true" : undefined} aria-describedby="top-up-help" onInput=${(e) => { setAmount(e.target.value); setWrong(""); }} />
          <span>${unit}</span>
        </div>
        <p class=${`small ${wrong ? "danger" : "muted"}`} id="top-up-help">${wrong || `For example ${amountExample()}.`}</p>
      </div>
      <div class="field">
        <label for="top-up-reference">Reference <span class="muted">(optional)</span></label>
        <input class="input" id="top-up-reference" type="text" maxlength="256" autocomplete="off" value=${reference} onInput=${(e) => setReference(e.target.value)} />
      </div>
    <//>`;
}

const HowItWorks = ({ alone }) => html`
  <${Card} title="How it works">
    <ol class="steps">
      <li>Each turn is paid by the ${alone ? "" : "seat’s "}monthly allowance first. It does not roll over.</li>
      <li>${alone ? "Once it is used, your turns draw on this pool." : html`Once it is used, members with access draw on this pool, up to their limit. You say who, under <a href="/members">Members</a>.`}</li>
      <li>While a turn runs, the most that it may cost is held. When it ends, it is charged what it did cost, and the rest comes back. A turn that fails costs the pool nothing.</li>
      <li>What was bought never expires. When the pool is empty, turns that need it are stopped; it never goes below zero.</li>
    </ol>
  <//>`;
