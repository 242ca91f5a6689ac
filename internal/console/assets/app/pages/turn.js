// One turn's receipt: its whole story, in sentences and in figures.
import { html } from "../../vendor/preact-htm.js";
import { call } from "../api.js";
import { useLive } from "../live.js";
import { useSession } from "../session.js";
import { Card, PageHead } from "../ui/parts.js";
import { show } from "../ui/states.js";

export function TurnPage({ path, query }) {
  const session = useSession();
  const reservationId = path.replace(/^\/turns\/?/, "");
  const requestId = query.get("request") ?? "";
  const which = reservationId ? { reservationId } : { requestId };
  const live = useLive((signal) => call("UsageService/ExplainTurn", {
    organizationId: session.organizationId, memberId: session.administers ? "" : session.memberId, ...which,
  }, { signal }), [reservationId, requestId], { every: 5000 });
  return html`
    <${PageHead} title="One turn’s receipt">${reservationId || requestId}<//>
    <${Card} title="What happened" busy=${live.loading}>
      ${show(live, (data) => html`<pre>${JSON.stringify(data, null, 1)}</pre>`, { lines: 6, what: "this turn" })}
    <//>`;
}
