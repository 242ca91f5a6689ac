// Starts the page: asks who is signed in, and shows what the path says.
import { html, render, useEffect, useRef, useState } from "../vendor/preact-htm.js";
import { whenRefused, whenSessionIsOver } from "./api.js";
import { MePage } from "./pages/me.js";
import { MembersPage } from "./pages/members.js";
import { PoolPage } from "./pages/pool.js";
import { ReportsPage } from "./pages/reports.js";
import { TurnPage } from "./pages/turn.js";
import { UsagePage } from "./pages/usage.js";
import { followLinks, navigate, useRoute } from "./router.js";
import { loadSession, SessionProvider, signInPath } from "./session.js";
import { Shell } from "./shell.js";
import { Button } from "./ui/parts.js";
import { State } from "./ui/states.js";

const pages = [
  { path: "/usage", name: "Plan usage", icon: "usage", part: "usage", view: UsagePage },
  { path: "/pool", name: "Pool", icon: "pool", part: "pool", view: PoolPage },
  { path: "/members", name: "Members", icon: "members", part: "members", view: MembersPage },
  { path: "/me", name: "My usage", icon: "me", part: "me", view: MePage },
  { path: "/reports", name: "Reports", icon: "reports", part: "reports", view: ReportsPage },
];
const turn = { name: "Turn", view: TurnPage };

const isOurs = (path) => path === "/" || path.startsWith("/turns") || pages.some((p) => p.path === path);

function App({ session: first }) {
  const session = useFreshSession(first);
  const { path, query } = useRoute();
  const [over, setOver] = useState(false);
  useEffect(() => whenSessionIsOver(() => setOver(true)), []);
  const shown = pages.filter((p) => session.shows[p.part]);
  const page = path.startsWith("/turns") ? turn : shown.find((p) => p.path === path);
  useEffect(() => {
    if (path === "/" && shown.length) navigate(shown[0].path, { replace: true });
  }, [path]);
  useTitleAndFocus(page?.name ?? "Not shown", session.organizationName, path);
  return html`
    <${SessionProvider} value=${session}>
      <${Shell} session=${session} pages=${shown} path=${path}>
        ${page ? html`<${page.view} key=${path} path=${path} query=${query} />` : path !== "/" && html`<${NotShown} path=${path} session=${session} />`}
      <//>
      ${over && html`<${SignedOut} />`}
    <//>`;
}

const askAgainAfter = 10_000;
const askEvery = 60_000;
/** A development server's clock may be moved at any time. */
const askEveryUnderDev = 5000;

/**
 * The session, asked for anew now and then, and when a call is refused: a role or a plan may have changed since the page was
 * opened, and a month may have ended.
 */
function useFreshSession(first) {
  const [session, setSession] = useState(first);
  const asked = useRef(0);
  useEffect(() => {
    const ask = async () => {
      const fresh = await loadSession().catch(() => null);
      if (fresh?.signedIn && !fresh.refused) setSession(fresh);
    };
    whenRefused(() => {
      if (Date.now() - asked.current < askAgainAfter) return;
      asked.current = Date.now();
      ask();
    });
    const timer = setInterval(() => { if (!document.hidden) ask(); }, first.dev ? askEveryUnderDev : askEvery);
    return () => clearInterval(timer);
  }, []);
  return session;
}

/** A new page has a new title, and the focus goes to its heading, as it would if the browser had loaded it. */
function useTitleAndFocus(name, organization, path) {
  const first = useRef(true);
  useEffect(() => {
    document.title = `${name} · ${organization} · Spillway`;
    if (first.current) {
      first.current = path === "/";
      return;
    }
    scrollTo(0, 0);
    document.querySelector("h1")?.focus({ preventScroll: true });
  }, [path]);
}

/** A page of the firm that this member may not see: kindly, with whom to ask. */
function NotShown({ path, session }) {
  const part = pages.find((p) => p.path === path)?.part;
  const text = part === "pool" && session.planKind !== "INDIVIDUAL"
    ? "Your organization shows its pool to owners and admins only. Your own usage, and what is left of your access, is on My usage."
    : "It is not part of what your role or your plan shows. An owner or admin of your organization can look it up for you.";
  return html`
    <h1 tabindex="-1">${part === "pool" ? "Organization pool" : "Not shown to you"}</h1>
    <section class="card">
      <${State} icon="lock" title="This page is not shown to you" actions=${session.shows.me && html`<a class="button primary" href="/me">Go to My usage</a>`}>${text}<//>
    </section>`;
}

/** The session ended while the page was open: nothing is lost, and signing in leads back here. */
function SignedOut() {
  const dialog = useRef(null);
  useEffect(() => { if (!dialog.current.open) dialog.current.showModal(); }, []);
  return html`
    <dialog ref=${dialog} class="dialog" aria-labelledby="signed-out" onCancel=${(event) => event.preventDefault()}>
      <div class="stack">
        <h2 id="signed-out">Your session has ended</h2>
        <p class="muted">Sign in again, and you come back to this page. What you had done is done.</p>
        <div class="dialog-actions"><a class="button primary" href=${signInPath()}>Sign in again</a></div>
      </div>
    </dialog>`;
}

/** Somebody whom the issuer knows, and no organization: an operator, or a member who is none any more. */
const Refused = ({ session }) => html`
  <main class="boot">
    <h1 class="visually-hidden">Spillway</h1>
    <section class="card"><${State} icon="lock" title="There is no page for you here"
      actions=${html`<form method="post" action="/signout"><button type="submit" class="button primary">Sign out</button></form>`}>
      You are signed in as ${session.displayName}, who is not an active member of an organization. Ask an owner or admin of your
      organization to add you, or sign out and sign in as somebody else.<//></section>
  </main>`;

const Failure = ({ retry }) => html`
  <main class="boot">
    <h1 class="visually-hidden">Spillway</h1>
    <section class="card"><${State} icon="warn" role="alert" title="The service does not answer"
      actions=${html`<${Button} class="primary" onClick=${retry}>Try again<//>`}>
      Check the connection. The page keeps trying by itself; if it lasts, ask whoever runs the service. What is on record stays.<//></section>
  </main>`;

const startAgainAfter = 5000;

async function start() {
  const root = document.getElementById("app");
  try {
    const session = await loadSession();
    if (!session.signedIn) {
      location.replace(signInPath());
      return;
    }
    root.replaceChildren();
    render(session.refused ? html`<${Refused} session=${session} />` : html`<${App} session=${session} />`, root);
  } catch {
    root.replaceChildren();
    const timer = setTimeout(start, startAgainAfter);
    render(html`<${Failure} retry=${() => { clearTimeout(timer); start(); }} />`, root);
  }
}

followLinks(isOurs);
start();
