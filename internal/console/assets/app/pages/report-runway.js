// Who would be stopped first, if all goes on as it did.
import { html } from "../../vendor/preact-htm.js";
import { call } from "../api.js";
import { counted, dayShort, money, moment, words } from "../format.js";
import { useLive } from "../live.js";
import { useSession } from "../session.js";
import { Card } from "../ui/parts.js";
import { show, State } from "../ui/states.js";
import { Table } from "../ui/table.js";

const shown = 10;

const because = {
  EXTRA_USAGE_NOT_ENABLED: "No access to the pool",
  MEMBER_CAP_REACHED: "Limit reached",
  POOL_EMPTY: "Pool empty",
  INDIVIDUAL_EXHAUSTED: "Nothing left",
};

export function FirstStopped() {
  const { organizationId } = useSession();
  const live = useLive((signal) => call("UsageService/EstimateRunway", { organizationId }, { signal }), [organizationId], { every: 30_000 });
  return html`
    <${Card} title="Who would be stopped first" hint="An estimate, up to the end of the running period." busy=${live.loading}>
      ${show(live, (data) => html`<${Seats} runway=${data.runway} />`, { lines: 4, what: "this estimate" })}
    <//>`;
}

function Seats({ runway }) {
  const { timeZone, unit } = useSession();
  const seats = (runway.seats ?? []).slice(0, shown);
  const drawing = (runway.drawingSeats ?? []).slice(0, shown);
  const { days, turns, generatedAt } = runway.basis ?? {};
  return html`
    ${seats.length ? html`<${Table} caption="Seats that are stopped, or would be first" rows=${seats} keyOf=${(s) => s.memberId} columns=${[
      { key: "who", title: "Member", head: true, cell: (s) => s.displayName || s.memberId },
      { key: "when", title: "Stopped", cell: (s) => html`<${When} at=${s.stoppedAt} now=${generatedAt} zone=${timeZone} />` },
      { key: "why", title: "Why", cell: (s) => because[s.stoppedBy] ?? words(s.stoppedBy) },
      { key: "pace", title: "A day", number: true, cell: (s) => money(s.dailyMicros, unit) },
    ]} />` : html`<${State} icon="good" title="Nobody">No seat is stopped, and at this pace every one gets through the period.<//>`}
    ${Number(runway.stoppedSeats ?? 0) > shown && html`<p class="muted small">${counted(runway.stoppedSeats, "seat")} in all.</p>`}
    ${drawing.length > 0 && html`<${Table} caption="Seats that use up their allowance, and then draw on the pool" rows=${drawing} keyOf=${(s) => s.memberId} columns=${[
      { key: "who", title: "Draws on the pool next", head: true, cell: (s) => s.displayName || s.memberId },
      { key: "when", title: "Allowance used", cell: (s) => html`<${When} at=${s.allowanceExhaustedAt} now=${generatedAt} zone=${timeZone} />` },
      { key: "pace", title: "A day", number: true, cell: (s) => money(s.dailyMicros, unit) },
    ]} />`}
    ${Number(runway.drawingSeatsCount ?? 0) > shown && html`<p class="muted small">${counted(runway.drawingSeatsCount, "seat")} in all.</p>`}
    <p class="muted small">From ${counted(turns, "turn")} on the last ${counted(days, "day")}.</p>`;
}

const When = ({ at, now, zone }) => html`<span class="nowrap" title=${moment(at, zone)}>${Date.parse(at) <= Date.parse(now) ? "Now" : `about ${dayShort(at, zone)}`}</span>`;
