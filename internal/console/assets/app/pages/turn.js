// One turn's receipt: its whole story in sentences, and the figures that they rest on.
import { html } from "../../vendor/preact-htm.js";
import { call } from "../api.js";
import { instant } from "../format.js";
import { useLive } from "../live.js";
import { useNames } from "../names.js";
import { useSession } from "../session.js";
import { Card, PageHead } from "../ui/parts.js";
import { Failed, show, State } from "../ui/states.js";
import { Charge, Hold, Price } from "./receipt-figures.js";
import { Extensions, Refused } from "./receipt-steps.js";
import { Outcome, stateOf } from "./turns.js";

export function TurnPage({ path, query }) {
  const { organizationId, memberId, administers } = useSession();
  const reservationId = path.replace(/^\/turns\/?/, "");
  const requestId = query.get("request") ?? "";
  const live = useLive((signal) => call("UsageService/ExplainTurn", {
    organizationId, ...(administers ? {} : { memberId }), ...(reservationId ? { reservationId } : { requestId }),
  }, { signal }), [reservationId, requestId], { every: 3000 });
  return html`
    <${PageHead} title="One turn’s receipt">What was held, what was charged, and why.<//>
    ${live.error && !live.data
      ? html`<section class="card">${missing(live.error) ? html`<${NoSuchTurn} id=${reservationId || requestId} />` : html`<${Failed} error=${live.error} retry=${live.refresh} what="this turn" />`}</section>`
      : html`
        <${Card} title="What happened" busy=${live.loading}>
          ${show(live, ({ receipt }) => html`<ol class="receipt">${(receipt.story ?? []).map((line, i) => html`<li key=${i}>${line}</li>`)}</ol>`, { lines: 6 })}
        <//>
        ${live.data && html`<${Figures} receipt=${live.data.receipt} />`}`}`;
}

const missing = (error) => error.reason === "RESERVATION_NOT_FOUND" || error.code === "invalid_argument";

const NoSuchTurn = ({ id }) => html`
  <${State} icon="search" title="There is no such turn" actions=${html`<a class="button" href="/me">Go to my turns</a>`}>
    ${id ? html`Nothing is on record under <code>${id}</code> that you may see. Check that the id is whole, and that the turn is one of your own organization.` : "The address names no turn."}
  <//>`;

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
