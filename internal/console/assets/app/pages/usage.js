// Plan usage: what the plan allows, and how much of it is used.
import { html, useState } from "../../vendor/preact-htm.js";
import { call } from "../api.js";
import { count, counted, micros } from "../format.js";
import { useLive } from "../live.js";
import { useSession } from "../session.js";
import { announce } from "../ui/announce.js";
import { Icon } from "../ui/icons.js";
import { Bar, Button, Card, levelOf, LiveNote, Moving, Notice, PageHead } from "../ui/parts.js";
import { show } from "../ui/states.js";

const resources = {
  RESOURCE_ORCHESTRATOR: { name: "Orchestrators", one: "orchestrator", hint: "Active and inactive ones count." },
  RESOURCE_DEVICE: { name: "Devices", one: "device", hint: "The vPLCs under your orchestrators." },
  RESOURCE_PRIVATE_PROJECT: { name: "Private projects", one: "private project", hint: "Public projects never count." },
};

const planNames = { TEAM: "Team", EDUCATION: "Education", ENTERPRISE: "Enterprise", INDIVIDUAL: "Individual" };

export function UsagePage() {
  const session = useSession();
  const { organizationId } = session;
  const usage = useLive((signal) => call("UsageService/GetPlanUsage", { organizationId }, { signal }), [organizationId]);
  const recount = useRecount(organizationId, usage.refresh);
  return html`
    <${PageHead} title="Plan usage" actions=${html`
      <${LiveNote} live=${usage} />
      <${Button} busy=${recount.busy} onClick=${session.administers ? recount.run : usage.refresh}>
        <${Icon} name="refresh" />${session.administers ? "Recount" : "Refresh"}<//>`}>
      What the ${planNames[session.planKind] ?? ""} plan allows ${session.organizationName}, and how much of it is used.
    <//>
    <${RecountResult} ...${recount} />
    <${Card} title="Limits" hint=${session.administers
      ? "Counted as things are made and removed. Recount goes through all that is registered, and corrects a count that is wrong."
      : "Counted as things are made and removed. An owner or admin can have all of it counted anew."}
      busy=${usage.loading || recount.busy}>
      ${show(usage, (data) => html`<ul class="limits">${data.rows.map((row) => html`<${Limit} key=${row.resource} row=${row} />`)}</ul>`,
        { lines: 6, what: "the plan's limits" })}
    <//>`;
}

/** Has all of it counted anew, and keeps what that changed. */
function useRecount(organizationId, refresh) {
  const [state, setState] = useState({ busy: false, corrections: null, error: null });
  const run = async () => {
    setState({ busy: true, corrections: null, error: null });
    try {
      const { corrections = [] } = await call("UsageService/RecountPlanUsage", { organizationId });
      setState({ busy: false, corrections, error: null });
      announce(corrections.length ? `Recounted: ${counted(corrections.length, "count")} corrected.` : "Recounted: every count was right.");
      refresh();
    } catch (error) {
      setState({ busy: false, corrections: null, error });
    }
  };
  return { ...state, run };
}

function RecountResult({ corrections, error, run }) {
  if (error) {
    return html`<${Notice} kind="danger" role="alert">
      <p>The recount did not finish: ${error.message}</p>
      <p><${Button} class="small" onClick=${run}>Try again<//></p>
    <//>`;
  }
  if (!corrections) return null;
  if (!corrections.length) return html`<${Notice} kind="good"><p>Recounted just now: every count was right.</p><//>`;
  return html`
    <${Notice} kind="good">
      <p><strong>Recounted just now.</strong> What was wrong, and is right now:</p>
      <ul class="plain-list">
        ${corrections.map((c) => html`
          <li key=${c.resource}>${resources[c.resource]?.name ?? c.resource}: ${count(c.usedBefore)} → <strong>${count(c.usedAfter)}</strong>
            ${" "}<span class="muted">(${difference(micros(c.usedAfter) - micros(c.usedBefore))})</span></li>`)}
      </ul>
    <//>`;
}

const difference = (by) => (by > 0n ? `${count(by)} more` : `${count(-by)} fewer`);

function Limit({ row }) {
  const { name, one, hint } = resources[row.resource] ?? { name: row.resource, one: "one", hint: "" };
  const used = BigInt(row.used ?? 0);
  const unlimited = row.allowed === undefined;
  const allowed = BigInt(row.allowed ?? 0);
  const level = unlimited ? "" : row.atLimit ? "full" : levelOf(used, allowed);
  const text = unlimited ? `${count(used)} used · Unlimited` : `${count(used)} used of ${count(allowed)} allowed`;
  return html`
    <li class="limit">
      <div class="limit-head">
        <span class="row"><span class="limit-name">${name}</span><${Level} level=${level} over=${used - allowed} /></span>
        <span class="number"><${Moving}>${text}<//></span>
      </div>
      ${unlimited ? null : html`<${Bar} label=${name} text=${text} whole=${allowed} level=${level} parts=${[{ amount: used, kind: "" }]} />`}
      <p class="muted small">${hint}${level === "full" ? html` <span class="danger">The next ${one} is refused: remove one, or move to a plan that allows more.</span>` : ""}</p>
    </li>`;
}

function Level({ level, over }) {
  if (level === "full") return html`<span class="badge danger">${over > 0n ? `${count(over)} over the limit` : "At the limit"}</span>`;
  return level === "near" ? html`<span class="badge warn">Nearly full</span>` : null;
}
