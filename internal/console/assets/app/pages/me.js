// My usage: the meter of one's own seat, and the turns that moved it.
import { html, useState } from "../../vendor/preact-htm.js";
import { call } from "../api.js";
import { day, exact, micros, money, relative } from "../format.js";
import { useLive } from "../live.js";
import { useSession } from "../session.js";
import { Button, Bar, Card, Figures, levelOf, LiveNote, Moving, Notice, PageHead } from "../ui/parts.js";
import { show } from "../ui/states.js";
import { accessText, kindOf } from "./access.js";
import { Turns } from "./turns.js";

export function MePage() {
  const session = useSession();
  const { organizationId, memberId } = session;
  const meter = useLive((signal) => call("UsageService/GetMeter", { organizationId, memberId }, { signal }), [organizationId, memberId]);
  return html`
    <${PageHead} title="My usage" actions=${html`<${LiveNote} live=${meter} />`}>
      What your seat may use this month, and what your turns have used of it.
    <//>
    ${show(meter, (data) => html`<${Meter} meter=${data.meter} session=${session} />`, { lines: 5, block: true, what: "your meter" })}
    <${RecentTurns} />`;
}

function Meter({ meter, session }) {
  return html`
    <${Stopped} meter=${meter} session=${session} />
    <div class="cards two">
      <${Allowance} meter=${meter} zone=${session.timeZone} />
      <${PoolAccess} meter=${meter} session=${session} />
    </div>`;
}

/** What to do where the next turn may be stopped. */
function Stopped({ meter, session }) {
  if (micros(meter.remainingMicros) > 0n) return null;
  const reset = day(meter.resetsAt, session.timeZone);
  const used = micros(meter.heldMicros) > 0n ? "used, or held by open turns" : "used";
  const kind = kindOf(meter.access);
  if (session.planKind === "INDIVIDUAL") {
    return html`<${Notice} kind="warn"><p>Your monthly allowance is ${used}. Turns now draw on <a href="/pool">your pool</a>, as long as there is something in it; buy more where it is empty. The allowance is whole again on ${reset}.</p><//>`;
  }
  if (kind === "NONE") {
    return html`<${Notice} kind="danger"><p>Your monthly allowance is ${used}, so your next turn is stopped. Ask an owner or admin of your organization to enable additional usage, or wait until ${reset}.</p><//>`;
  }
  if (kind === "CAPPED" && capLeft(meter) === 0n) {
    return html`<${Notice} kind="danger"><p>Your limit on additional usage for this month is reached${micros(meter.poolHeldMicros) > 0n ? ", with what open turns hold" : ""}, so your next turn is stopped. Ask an owner or admin to raise it, or wait until ${reset}.</p><//>`;
  }
  return html`<${Notice}><p>Your monthly allowance is ${used}. Your turns now draw on the organization’s pool, as long as there is something in it. ${session.administers
    ? html`Where it is empty, turns are stopped until <a href="/pool">more is bought</a>.`
    : "Where turns are stopped because it is empty, ask an owner or admin to purchase more."} The allowance is whole again on ${reset}.</p><//>`;
}

const capLeft = (meter) => {
  const left = micros(meter.access?.capMicros) - micros(meter.poolUsedMicros) - micros(meter.poolHeldMicros);
  return left > 0n ? left : 0n;
};

function Allowance({ meter, zone }) {
  const { unit } = meter;
  const used = micros(meter.usedMicros);
  const held = micros(meter.heldMicros);
  const whole = micros(meter.allowanceMicros);
  const text = `${money(used, unit)} of ${money(whole, unit)} used`;
  return html`
    <${Card} title="Monthly allowance">
      <div class="stack">
        <div>
          <div class="big" title=${exact(meter.remainingMicros, unit)}><${Moving}>${money(meter.remainingMicros, unit)}<//></div>
          <p class="muted">left this month</p>
        </div>
        <${Bar} label="Monthly allowance" text=${text} whole=${whole} level=${kindOf(meter.access) === "NONE" || (kindOf(meter.access) === "CAPPED" && capLeft(meter) === 0n) ? levelOf(used, whole) : ""}
          parts=${[{ amount: used, kind: "used" }, { amount: held, kind: "held" }]} />
        <p class="row number"><span>${text}</span>${held > 0n && html`<span class="badge accent">${money(held, unit)} held by open turns</span>`}</p>
        <p class="muted">Resets on <strong>${day(meter.resetsAt, zone)}</strong>, ${relative(meter.resetsAt)}. What is left does not roll over.</p>
      </div>
    <//>`;
}

function PoolAccess({ meter, session }) {
  const { unit } = meter;
  const kind = kindOf(meter.access);
  const drawn = micros(meter.poolUsedMicros);
  const held = micros(meter.poolHeldMicros);
  const overrun = micros(meter.overrunMicros);
  const figures = [
    { name: "Drawn this month", value: money(drawn, unit), title: exact(drawn, unit) },
    { name: "Held by open turns", value: money(held, unit), title: exact(held, unit) },
    ...(overrun > 0n ? [{ name: "Overrun, charged to nobody", value: money(overrun, unit), title: exact(overrun, unit) }] : []),
  ];
  return html`
    <${Card} title=${session.planKind === "INDIVIDUAL" ? "Additional usage" : "Access to the organization’s pool"}>
      <div class="stack">
        <p><span class=${`badge ${{ CAPPED: "accent", UNLIMITED: "good" }[kind] ?? ""}`}>${session.planKind === "INDIVIDUAL" ? "Your own pool" : kind === "CAPPED" ? `Up to ${accessText(meter.access, unit)}` : accessText(meter.access, unit)}</span></p>
        ${kind === "CAPPED" && html`<${Cap} meter=${meter} drawn=${drawn} held=${held} unit=${unit} />`}
        <p class="muted">${accessHint(kind, session)}</p>
        <${Figures} items=${figures} />
      </div>
    <//>`;
}

function Cap({ meter, drawn, held, unit }) {
  const cap = micros(meter.access.capMicros);
  const text = `${money(drawn, unit)} of ${money(cap, unit)} drawn`;
  return html`
    <div>
      <div class="big" title=${exact(capLeft(meter), unit)}><${Moving}>${money(capLeft(meter), unit)}<//></div>
      <p class="muted">left of your limit this month</p>
    </div>
    <${Bar} label="Limit on additional usage" text=${text} whole=${cap} level=${levelOf(drawn, cap)}
      parts=${[{ amount: drawn, kind: "pool" }, { amount: held, kind: "held" }]} />
    <p class="number">${text}</p>`;
}

function accessHint(kind, session) {
  if (session.planKind === "INDIVIDUAL") return "Turns that the allowance does not pay draw on the pool that you bought.";
  return {
    NONE: "Once your allowance is used, turns are stopped. An owner or admin can enable additional usage for you.",
    CAPPED: "Turns that the allowance does not pay draw on the pool, up to this limit and to what the pool holds.",
    UNLIMITED: "Turns that the allowance does not pay draw on the pool, up to what it holds.",
  }[kind];
}

const firstTurns = 10;

function RecentTurns() {
  const { organizationId, memberId } = useSession();
  const [size, setSize] = useState(firstTurns);
  const live = useLive((signal) => call("MeteringService/ListReservations", { organizationId, memberId, pageSize: size }, { signal }),
    [organizationId, memberId, size], { keep: true });
  return html`
    <${Card} title="Recent turns" hint="Newest first. Open one for its receipt: what was held, what was charged, and why." busy=${live.loading}>
      ${show(live, (data) => html`<${Turns} turns=${data.reservations ?? []} />`, { lines: 6, what: "your turns" })}
      ${live.data?.nextPageToken && size < 1000 && html`<div class="card-foot"><${Button} onClick=${() => setSize(Math.min(1000, size * 3))}>Show more<//></div>`}
    <//>`;
}
