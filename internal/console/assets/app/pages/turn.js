// One turn's receipt: its whole story in sentences, and the figures that they rest on.
import { html } from "../../vendor/preact-htm.js";
import { call } from "../api.js";
import { instant } from "../format.js";
import { useLive } from "../live.js";
import { useNames } from "../names.js";
import { useSession } from "../session.js";
import { Card, PageHead } from "../ui/parts.js";
import { show, State } from "../ui/states.js";
import { Charge, Hold, Price } from "./receipt-figures.js";
import { Extensions, Refused } from "./receipt-steps.js";
import { Outcome, stateOf } from "./turns.js";

const aReservation = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const aRequest = /^[A-Za-z0-9._:@-]{1,128}$/;

/** The turn that the address names, by its reservation or by its request. */
export function TurnPage({ path, query }) {
  const reservationId = path.replace(/^\/turns\/?/, "").toLowerCase();
  const requestId = query.get("request") ?? "";
  const isOne = reservationId ? aReservation.test(reservationId) : aRequest.test(requestId);
  return html`
    <${PageHead} title="One turn’s receipt">What was held, what was charged, and why.<//>
    ${isOne ? html`<${Receipt} reservationId=${reservationId} requestId=${requestId} />` : html`<${NoSuchTurn} id=${reservationId || requestId} />`}`;
}

function Receipt({ reservationId, requestId }) {
  const { organizationId, memberId, administers } = useSession();
  const live = useLive((signal) => call("UsageService/ExplainTurn", {
    organizationId, ...(administers ? {} : { memberId }), ...(reservationId ? { reservationId } : { requestId }),
  }, { signal }), [reservationId, requestId], { every: 3000 });
  if (!live.data && live.error?.reason === "RESERVATION_NOT_FOUND") return html`<${NoSuchTurn} id=${reservationId || requestId} />`;
  return html`
    <${Card} title="What happened" busy=${live.loading}>
      ${show(live, ({ receipt }) => html`<ol class="receipt">${(receipt.story ?? []).map((line, i) => html`<li key=${i}>${line}</li>`)}</ol>`,
        { lines: 6, what: "this turn" })}
    <//>
    ${live.data && html`<${Figures} receipt=${live.data.receipt} />`}`;
}

const NoSuchTurn = ({ id }) => html`
  <section class="card">
    <${State} icon="search" title="There is no such turn" actions=${html`<a class="button" href="/me">Go to my turns</a>`}>
      ${id ? html`Nothing is on record under <code>${id}</code> that you may see. Check that the id is whole, and that the turn is one of your own organization.` : "The address names no turn."}
    <//>
  </section>`;

function Figures({ receipt }) {
  const { turn, refusals = [] } = receipt;
  return html`
    ${turn && html`
      <div class="cards two">
        <${Charge} turn=${turn} />
        <${Hold} turn=${turn} />
      </div>
      <${Price} turn=${turn} />
      <${Extensions} turn=${turn} />`}
    ${refusals.length > 0 && html`<${Refused} refusals=${refusals} more=${receipt.moreRefusals} />`}
    <${Which} receipt=${receipt} />`;
}

/** Which turn it is: what one quotes when one asks about it. */
function Which({ receipt }) {
  const { organizationId, timeZone } = useSession();
  const name = useNames(organizationId, [receipt.memberId]);
  const reservation = receipt.turn?.reservation;
  const said = reservation?.turn ?? receipt.refusals?.at(-1)?.turn ?? {};
  const facts = [
    ["State", reservation ? html`<${Outcome} turn=${reservation} />` : html`<span class="badge danger">Refused</span>`],
    ["Member", name(receipt.memberId)],
    ["Model", said.model],
    ["Conversation", said.conversationId && html`<code>${said.conversationId}</code>`],
    ["Turn", said.turnId && html`<code>${said.turnId}</code>`],
    ["Labels", Object.entries(said.labels ?? {}).map(([k, v]) => `${k}: ${v}`).join(", ")],
    ["Began", reservation && instant(reservation.createdAt, timeZone)],
    ["Expires", reservation && stateOf(reservation) === "HELD" && instant(reservation.expiresAt, timeZone)],
    ["Ended", reservation?.settledAt && instant(reservation.settledAt, timeZone)],
    ["Request", html`<code>${receipt.requestId}</code>`],
    ["Reservation", reservation && html`<code>${reservation.reservationId}</code>`],
    ["Ledger entries", (receipt.turn?.ledgerSequences ?? []).join(", ")],
  ];
  return html`
    <${Card} title="Which turn" hint="Quote these when you ask about it.">
      <dl class="facts">
        ${facts.filter(([, value]) => value).map(([key, value]) => html`<dt key=${`${key}-name`}>${key}</dt><dd key=${key}>${value}</dd>`)}
      </dl>
    <//>`;
}
