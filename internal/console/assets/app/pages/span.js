// The span of a report: whole days of the organization's time zone, kept in the address so that a link shows the same.
import { addDays, dateIn, startOf } from "../format.js";

const monthStart = (date) => `${date.slice(0, 7)}-01`;

/** Spans that have a name. Each makes the first and the last day from today's date. */
export const presets = [
  { key: "7d", text: "7 days", days: (today) => [addDays(today, -6), today] },
  { key: "30d", text: "30 days", days: (today) => [addDays(today, -29), today] },
  { key: "month", text: "This month", days: (today) => [monthStart(today), today] },
  { key: "last-month", text: "Last month", days: (today) => {
    const last = addDays(monthStart(today), -1);
    return [monthStart(last), last];
  } },
];

const aDate = /^\d{4}-\d{2}-\d{2}$/;

const isDate = (text) => aDate.test(text ?? "") && !Number.isNaN(Date.parse(`${text}T00:00:00Z`));

/** The span that an address asks for: preset, first and last day, and the moments from and to, which is exclusive. */
export function readSpan(query, zone) {
  const today = dateIn(Date.now(), zone);
  let preset = query.get("span") ?? "";
  let [first, last] = [query.get("first"), query.get("last")];
  if (!isDate(first) || !isDate(last) || first > last) {
    const named = presets.find((p) => p.key === preset) ?? presets[1];
    preset = named.key;
    [first, last] = named.days(today);
  }
  return { preset, first, last, from: startOf(first, zone), to: startOf(addDays(last, 1), zone) };
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

/** How often to ask anew: a span that has passed does not change. */
export const paceOf = (span) => (span.to < Date.now() ? 600_000 : 3000);

/** What identifies a span. */
export const spanKey = (span) => `${span.from} ${span.to}`;

/** The address of a report as CSV. */
export const csvPath = (span, group, labelKey) => {
  const query = new URLSearchParams({ ...spanFields(span), group_by: group });
  if (labelKey) query.set("label_key", labelKey);
  return `/download/usage.csv?${query}`;
};
