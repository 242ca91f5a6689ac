// What a page shows while it has nothing to show yet, or ever: each state says what to do.
import { html } from "../../vendor/preact-htm.js";
import { signInPath } from "../session.js";
import { Button } from "./parts.js";
import { Icon } from "./icons.js";

/** What live data looks like now: loading, refused, failed, or what render makes of it. */
export function show(live, render, { lines = 3, block = false, what = "this" } = {}) {
  if (live.data) return render(live.data);
  if (live.error) return html`<${Failed} error=${live.error} retry=${live.refresh} what=${what} />`;
  return html`<${Skeleton} lines=${lines} block=${block} />`;
}

/** Grey shapes where figures will be. */
export const Skeleton = ({ lines = 3, block = false }) => html`
  <div class="stack" role="status">
    <span class="visually-hidden">Loading…</span>
    ${block && html`<div class="skeleton block"></div>`}
    ${Array.from({ length: lines }, (_, i) => html`<div key=${i} class="skeleton line" style=${{ width: `${100 - ((i * 17) % 45)}%` }}></div>`)}
  </div>`;

/** A state with a picture, a line and what to do. */
export const State = ({ icon, title, children, actions, role }) => html`
  <div class="state" role=${role}>
    <${Icon} name=${icon} />
    <p class="state-title">${title}</p>
    <p class="muted">${children}</p>
    ${actions && html`<div class="row">${actions}</div>`}
  </div>`;

/** Why a call did not answer, and what to do. */
export function Failed({ error, retry, what }) {
  if (error.refused) {
    return html`<${State} icon="lock" title=${`You may not see ${what}`}>
      Your role does not include it. An owner or admin of your organization can change your role, or look it up for you.
    <//>`;
  }
  if (error.sessionIsOver) {
    return html`<${State} icon="lock" title="You are signed out"
      actions=${html`<a class="button primary" href=${signInPath()}>Sign in again</a>`}>
      Your session has ended. Sign in again, and you come back to this page.
    <//>`;
  }
  if (error.unknownToServer) {
    return html`<${State} icon="info" title=${`This server cannot tell ${what}`}>
      It does not offer it. Ask whoever runs the service to update it; the other pages work as usual.
    <//>`;
  }
  return html`<${State} icon="warn" role="alert" title=${`Could not load ${what}`}
    actions=${html`<${Button} onClick=${retry}><${Icon} name="refresh" />Try again<//>`}>
    ${error.message} The page keeps trying by itself. If it lasts, ask whoever runs the service.
  <//>`;
}
