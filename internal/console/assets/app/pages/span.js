// The span of a report: whole days of the organization's time zone, kept in the address so that a link shows the same.
import { now } from "../clock.js";
import { addDays, dateIn, startOf } from "../format.js";
import { once } from "../live.js";

/**
 * Spans that have a name. Periods are the organization's months, from one reset of the allowances to the next, as the server
 * tells them; they are what Members and My usage go by.
 */
export const presets = [
  { key: "period", text: "This period", span: ({ period }) => period },
  { key: "last-period", text: "Last period", span: ({ lastPeriod }) => lastPeriod },
  { key: "7d", text: "7 days", span: ({ timeZone }) => lastDays(7, timeZone) },
  { key: "30d", text: "30 days", span: ({ timeZone }) => lastDays(30, timeZone) },
];

const preselected = presets[3];

const daysOf = (first, last, zone) => ({ from: startOf(first, zone), to: startOf(addDays(last, 1), zone) });

function lastDays(days, zone) {
  const today = dateIn(now(), zone);
  return daysOf(addDays(today, 1 - days), today, zone);
}

const aDate = /^\d{4}-\d{2}-\d{2}$/;

const isDate = (text) => aDate.test(text ?? "") && !Number.isNaN(Date.parse(`${text}T00:00:00Z`));

/** The span that an address asks for: preset, the moments from and to, which is exclusive, and the first and the last day. */
export function readSpan(query, session) {
  const [first, last] = [query.get("first"), query.get("last")];
  if (isDate(first) && isDate(last) && first <= last) return { preset: "", first, last, ...daysOf(first, last, session.timeZone) };
  const named = presets.find((p) => p.key === query.get("span")) ?? preselected;
  const { from, to } = named.span(session);
  return { preset: named.key, from, to, first: dateIn(from, session.timeZone), last: dateIn(Math.min(to - 1, Math.max(from, now())), session.timeZone) };
}

/** The address's query of a span and of what else is chosen. */
export function queryOf({ preset, first, last, by, label }) {
  const query = preset ? { span: preset } : { first, last };
  if (by && by !== "MEMBER") query.by = by;
  if (by === "LABEL" && label) query.label = label;
  return new URLSearchParams(query).toString();
}

/** A span as a request's fields. */
export const spanFields = (span) => ({ from: new Date(span.from).toISOString(), to: new Date(span.to).toISOString() });

/** How long after its end a span may still be told of anew: a turn may have ended just before it. */
const settling = 60_000;

/** Whether a span has passed, up to a moment in milliseconds: then what is told of it does not change any more. */
export const isOver = (to) => to + settling < now();

/** How often to ask anew for a report of a span. */
export const paceOf = (span) => (isOver(span.to) ? once : 3000);

/** What identifies a span. */
export const spanKey = (span) => `${span.from} ${span.to}`;

/** The address of a report as CSV. */
export const csvPath = (span, group, labelKey) => {
  const query = new URLSearchParams({ ...spanFields(span), group_by: group });
  if (labelKey) query.set("label_key", labelKey);
  return `/download/usage.csv?${query}`;
};
