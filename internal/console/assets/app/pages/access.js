// The dialogs in which an admin grants, adjusts and revokes a member's access to the pool.
import { html, useEffect, useState } from "../../vendor/preact-htm.js";
import { call } from "../api.js";
import { amountExample, day, editable, exact, micros, money, parseAmount } from "../format.js";
import { useSession } from "../session.js";
import { announce } from "../ui/announce.js";
import { Dialog, FieldProblem } from "../ui/dialog.js";
import { Bar, levelOf, Notice } from "../ui/parts.js";

/** The kind of a member's access: NONE, CAPPED or UNLIMITED. */
export const kindOf = (access) => String(access?.kind ?? "NONE").replace(/^ACCESS_KIND_/, "").replace("UNSPECIFIED", "NONE");

/** A member's access in words. */
export function accessText(access, unit) {
  const kind = kindOf(access);
  if (kind === "CAPPED") return `${money(access.capMicros, unit)} a month`;
  return kind === "UNLIMITED" ? "Unlimited" : "None";
}

const accessInSentence = (access, unit) => (kindOf(access) === "CAPPED" ? `up to ${accessText(access, unit)}` : accessText(access, unit).toLowerCase());

/** Whether a member has drawn all that the access allows this month. */
export const capReached = (member) => kindOf(member.access) === "CAPPED" && micros(member.poolUsedPeriodMicros) >= micros(member.access.capMicros);

/** A name for people. */
export const nameOf = (member) => member.displayName || member.memberId;

const most = 1_000_000_000_000_000n;

/** The seat's meter, for what is held now and when it resets; null until it is known, or if it cannot be. */
function useMeter({ organizationId, memberId }) {
  const [meter, setMeter] = useState(null);
  useEffect(() => {
    const leaving = new AbortController();
    call("UsageService/GetMeter", { organizationId, memberId }, { signal: leaving.signal })
      .then((answer) => setMeter(answer.meter))
      .catch(() => {}); // The dialog says less, and works.
    return () => leaving.abort();
  }, [organizationId, memberId]);
  return meter;
}

/** Grants access, or adjusts what was granted. */
export function GrantDialog({ member, onClose, onDone }) {
  const { unit, timeZone } = useSession();
  const before = kindOf(member.access);
  const [kind, setKind] = useState(before === "UNLIMITED" ? "UNLIMITED" : "CAPPED");
  const [amount, setAmount] = useState(before === "CAPPED" ? editable(member.access.capMicros) : "");
  const [wrong, setWrong] = useState("");
  const meter = useMeter(member);
  const cap = parseAmount(amount);
  const granting = before === "NONE";

  const submit = async () => {
    const problem = kind === "CAPPED" ? problemOf(cap) : "";
    setWrong(problem);
    if (problem) {
      document.getElementById("cap")?.focus();
      throw new FieldProblem();
    }
    const how = kind === "CAPPED" ? { capMicros: String(cap) } : { unlimited: true };
    const answer = await call("PoolService/GrantAccess", { organizationId: member.organizationId, memberId: member.memberId, ...how });
    announce(`${nameOf(member)}: access to the pool is now ${accessInSentence(answer.member.access, unit)}.`);
    onDone(answer.member);
  };

  return html`
    <${Dialog} title=${granting ? `Grant ${nameOf(member)} access to the pool` : `Adjust ${nameOf(member)}’s access`}
      submitLabel=${granting ? "Grant access" : "Save"} submit=${submit} onClose=${onClose}>
      <p class="muted">The seat’s own allowance always pays first. With access, further turns draw on the organization’s pool.</p>
      <fieldset class="stack">
        <legend class="label">How far may it go?</legend>
        <${Choice} id="access-capped" chosen=${kind === "CAPPED"} onChoose=${() => setKind("CAPPED")} title="Up to a limit each month"
          hint=${`What was drawn counts from the start of the seat’s month${meter ? `; it starts anew on ${day(meter.resetsAt, timeZone)}` : ""}.`}>
          ${kind === "CAPPED" && html`<${CapField} unit=${unit} amount=${amount} wrong=${wrong} onInput=${(text) => { setAmount(text); setWrong(""); }} />`}
        <//>
        <${Choice} id="access-unlimited" chosen=${kind === "UNLIMITED"} onChoose=${() => setKind("UNLIMITED")} title="Unlimited"
          hint="Up to what is in the pool." />
      </fieldset>
      <${Drawn} member=${member} cap=${kind === "CAPPED" ? cap : null} />
    <//>`;
}

function problemOf(cap) {
  if (cap === null) return `Enter an amount, such as ${amountExample()}.`;
  if (cap < 1n) return "Enter more than nothing. To allow nothing, revoke the access instead.";
  return cap > most ? "That is more than one amount can be. Choose Unlimited instead." : "";
}

const Choice = ({ id, chosen, onChoose, title, hint, children }) => html`
  <div class="choice">
    <input type="radio" id=${id} name="access" checked=${chosen} onChange=${onChoose} aria-describedby=${`${id}-hint`} />
    <div class="choice-text">
      <label for=${id}>${title}</label>
      <p class="muted small" id=${`${id}-hint`}>${hint}</p>
      ${children}
    </div>
  </div>`;

const CapField = ({ unit, amount, wrong, onInput }) => html`
  <div class="field">
    <label for="cap">Limit per month</label>
    <div class="input-unit">
      <input class="input number" id="cap" type="text" inputmode="decimal" autocomplete="off" value=${amount}
        aria-invalid=${wrong ? "true" : undefined} aria-describedby="cap-help" onInput=${(e) => onInput(e.target.value)} />
      <span>${unit}</span>
    </div>
    <p class=${`small ${wrong ? "danger" : "muted"}`} id="cap-help">${wrong || `For example ${amountExample()}.`}</p>
  </div>`;

/** What was drawn this period, and what a lower limit means for it. */
function Drawn({ member, cap }) {
  const { unit } = useSession();
  const drawn = micros(member.poolUsedPeriodMicros);
  if (drawn === 0n) return null;
  return html`
    <${Notice} kind=${cap !== null && cap <= drawn ? "warn" : "info"}>
      <p>${nameOf(member)} has drawn ${exact(drawn, unit)} from the pool this month.
        ${cap !== null && cap <= drawn ? " With this limit, no new turn draws on it until the month ends. Turns in flight may use what they hold, and no more." : ""}</p>
    <//>`;
}

/** Asks before access is revoked, and says what happens to turns in flight. */
export function RevokeDialog({ member, onClose, onDone }) {
  const { unit } = useSession();
  const meter = useMeter(member);
  const held = micros(meter?.poolHeldMicros);
  const name = nameOf(member);
  const submit = async () => {
    const answer = await call("PoolService/RevokeAccess", { organizationId: member.organizationId, memberId: member.memberId });
    announce(`${name} no longer has access to the pool.`);
    onDone(answer.member);
  };
  return html`
    <${Dialog} title=${`Revoke ${name}’s access to the pool?`} submitLabel="Revoke access" destructive submit=${submit} onClose=${onClose}>
      <ul class="steps">
        <li>New turns of ${name} are paid by the seat’s own allowance only. Once that is used, they are stopped.</li>
        <li><strong>Turns in flight may use what they hold, and no more.</strong>
          ${meter ? (held > 0n ? ` They hold ${exact(held, unit)} of the pool now.` : " None holds anything of the pool now.") : ""}</li>
        <li>What was drawn stays on the record. You can grant access again at any time.</li>
      </ul>
    <//>`;
}

/** A seat's own allowance as a bar. That it is used is an alarm only where nothing pays on. */
export function AllowanceBar({ member, unit }) {
  const used = micros(member.allowanceUsedPeriodMicros);
  const whole = micros(member.allowancePeriodMicros);
  const text = `${money(used, unit)} of ${money(whole, unit)}`;
  return html`
    <div class="cell-bar">
      <span class="small number">${text}</span>
      <${Bar} thin label=${`Allowance of ${nameOf(member)}`} text=${`${text} used`} whole=${whole} level=${kindOf(member.access) === "NONE" || capReached(member) ? levelOf(used, whole) : ""}
        parts=${[{ amount: used, kind: "used" }]} />
    </div>`;
}
