// Names of members, by their ids: the ledger and the reservations know ids only.
import { useEffect, useState } from "../vendor/preact-htm.js";
import { call } from "./api.js";

const known = new Map();

/** A function from a member's id to the name for people; it answers the id until the name is known, or if it cannot be. */
export function useNames(organizationId, ids) {
  const [, setTurn] = useState(0);
  const missing = [...new Set(ids)].filter((id) => id && !known.has(keyOf(organizationId, id)));
  useEffect(() => {
    let here = true;
    Promise.all(missing.map((id) => learn(organizationId, id))).then(() => { if (here && missing.length) setTurn((n) => n + 1); });
    return () => { here = false; };
  }, [organizationId, missing.join(" ")]);
  return (id) => known.get(keyOf(organizationId, id)) || id;
}

const keyOf = (organizationId, id) => `${organizationId} ${id}`;

async function learn(organizationId, memberId) {
  const key = keyOf(organizationId, memberId);
  known.set(key, "");
  try {
    const { member } = await call("OrganizationService/GetMember", { organizationId, memberId });
    known.set(key, member.displayName);
  } catch {
    // The id has to do.
  }
}
