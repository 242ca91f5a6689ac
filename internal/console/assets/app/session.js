// Who is signed in, and what of the firm they may see, as the server says it.
import { createContext, useContext } from "../vendor/preact-htm.js";
import { setNow } from "./clock.js";

const SessionContext = createContext(null);

/** Hands the session to all pages below. */
export const SessionProvider = SessionContext.Provider;

/** The session: organizationId, memberId, displayName, role, unit, timeZone, period, lastPeriod, shows, ... */
export const useSession = () => useContext(SessionContext);

/** Asks the server who is signed in. */
export async function loadSession() {
  const response = await fetch("/session", { headers: { Accept: "application/json" }, cache: "no-store" });
  if (response.status === 401) return { signedIn: false };
  if (!response.ok) throw new Error(`The server answered ${response.status}.`);
  const wire = await response.json();
  if (wire.now) setNow(wire.now);
  return fromWire(wire);
}

function fromWire(wire) {
  const role = String(wire.role ?? "").replace(/^ROLE_/, "");
  return {
    signedIn: Boolean(wire.signed_in),
    refused: Boolean(wire.refused),
    dev: Boolean(wire.dev),
    organizationId: wire.organization_id ?? "",
    organizationName: wire.organization_display_name || wire.organization_id || "",
    memberId: wire.member_id ?? "",
    displayName: wire.display_name || wire.member_id || "",
    role,
    administers: ["OWNER", "ADMIN"].includes(role),
    poolVisible: Boolean(wire.pool_visible),
    planKind: String(wire.plan_kind ?? "").replace(/^PLAN_KIND_/, ""),
    unit: String(wire.unit ?? "").replace(/^UNIT_/, ""),
    timeZone: wire.time_zone || "UTC",
    period: spanOf(wire.period),
    lastPeriod: spanOf(wire.last_period),
    buyMoreURL: wire.buy_more_url ?? "",
    shows: wire.shows ?? {},
  };
}

/** A span in milliseconds; to is exclusive. */
const spanOf = (span) => ({ from: Date.parse(span?.from), to: Date.parse(span?.to) });

/** Where to sign in, to come back here. */
export const signInPath = (here = location.pathname + location.search) => `/signin?to=${encodeURIComponent(here)}`;
