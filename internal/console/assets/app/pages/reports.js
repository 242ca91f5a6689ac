// Reports: where the money went, by day, member and model, what was refused, and who would be stopped first.
import { html } from "../../vendor/preact-htm.js";
import { navigate } from "../router.js";
import { dayShort, plainDate } from "../format.js";
import { useSession } from "../session.js";
import { Icon } from "../ui/icons.js";
import { Button, PageHead, Segments } from "../ui/parts.js";
import { DayReport, useDays } from "./report-days.js";
import { GroupReport } from "./report-groups.js";
import { FirstStopped } from "./report-runway.js";
import { Refusals, Totals } from "./report-totals.js";
import { presets, queryOf, readSpan } from "./span.js";

const groupings = [["MEMBER", "Member"], ["MODEL", "Model"], ["CONVERSATION", "Conversation"], ["LABEL", "Label"]];

export function ReportsPage({ query }) {
  const session = useSession();
  const span = readSpan(query, session);
  const group = query.get("by") ?? "MEMBER";
  const labelKey = query.get("label") ?? "";
  const days = useDays(span);
  const go = (part) => navigate(`/reports?${queryOf({ ...span, by: group, label: labelKey, ...part })}`, { replace: true });
  return html`
    <${PageHead} title="Reports">Turns, tokens and cost for ${spanText(span, session.timeZone)}, in the time zone ${session.timeZone}.<//>
    <${SpanChooser} span=${span} go=${go} />
    <${Totals} live=${days} />
    <${DayReport} live=${days} span=${span} />
    <section class="card" aria-label="By member, model, conversation or label">
      <div class="card-head">
        <h2>Who and what</h2>
        <${Segments} label="Group by" value=${group} choices=${groupings} onChoose=${(by) => go({ by })} />
      </div>
      <${GroupReport} key=${group} span=${span} group=${group} labelKey=${labelKey} onLabel=${(label) => go({ label })} />
    </section>
    <div class="cards two">
      <${Refusals} live=${days} />
      <${FirstStopped} />
    </div>
    <${FindTurn} />`;
}

const spanText = (span, zone) => {
  if (span.first === span.last) return plainDate(span.first);
  return `${dayShort(span.from, zone)} to ${plainDate(span.last)}`;
};

function SpanChooser({ span, go }) {
  return html`
    <form class="card" aria-label="Span of the reports" onSubmit=${(event) => event.preventDefault()}><div class="tools-row">
      <div class="field">
        <span class="label" aria-hidden="true">Span</span>
        <${Segments} label="Span" value=${span.preset} choices=${presets.map((p) => [p.key, p.text])} onChoose=${(preset) => go({ preset })} />
      </div>
      <div class="field">
        <label for="span-from">First day</label>
        <input class="input" type="date" id="span-from" value=${span.first} max=${span.last}
          onChange=${(e) => e.target.value && go({ preset: "", first: e.target.value, last: span.last < e.target.value ? e.target.value : span.last })} />
      </div>
      <div class="field">
        <label for="span-to">Last day</label>
        <input class="input" type="date" id="span-to" value=${span.last} min=${span.first}
          onChange=${(e) => e.target.value && go({ preset: "", last: e.target.value, first: span.first > e.target.value ? e.target.value : span.first })} />
      </div>
    </div></form>`;
}

/** The way to one turn's receipt, for whoever was sent its id. */
function FindTurn() {
  const onSubmit = (event) => {
    event.preventDefault();
    const id = event.target.elements.id.value.trim();
    if (!id) return;
    const isReservation = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id);
    navigate(isReservation ? `/turns/${id.toLowerCase()}` : `/turns/?request=${encodeURIComponent(id)}`);
  };
  return html`
    <section class="card" aria-label="One turn’s receipt">
      <div class="card-head"><div class="card-head-text">
        <h2>One turn’s receipt</h2>
        <p class="muted small">What was held and charged, and why; or why it was refused, and what heals it now.</p>
      </div></div>
      <form class="tools" onSubmit=${onSubmit}>
        <div class="field grow">
          <label for="turn-id">Reservation id or request id</label>
          <input class="input" id="turn-id" name="id" type="text" autocomplete="off" spellcheck="false" maxlength="128" />
        </div>
        <${Button} type="submit"><${Icon} name="search" />Explain<//>
      </form>
    </section>`;
}
