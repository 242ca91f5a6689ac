// Amounts, dates and numbers as the reader's locale writes them. Amounts are micros: they come as strings and are counted
// as BigInt, so that no amount ever becomes a float.
import { now } from "./clock.js";

const MICROS = 1_000_000n;

/** The reader's languages, the first one first. */
export const locales = navigator.languages?.length ? [...navigator.languages] : undefined;

/** Micros of a contract's amount, which is a string, a number, or absent where it is 0. */
export const micros = (amount) => BigInt(amount ?? 0);

const formats = new Map();

function cached(kind, options) {
  const key = kind.name + JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new kind(locales, options));
  return formats.get(key);
}

/** Micros as a decimal number in digits, exactly: -1500000n is "-1.5". */
export function decimal(amount) {
  const sign = amount < 0n ? "-" : "";
  const size = amount < 0n ? -amount : amount;
  const fraction = String(size % MICROS).padStart(6, "0").replace(/0+$/, "");
  return `${sign}${size / MICROS}${fraction && "."}${fraction}`;
}

function amountOptions(unit, digits) {
  const options = { minimumFractionDigits: digits.least, maximumFractionDigits: digits.most };
  return unit === "USD" ? { ...options, style: "currency", currency: "USD" } : options;
}

function write(amount, unit, digits, more = {}) {
  const text = cached(Intl.NumberFormat, { ...amountOptions(unit, digits), ...more }).format(decimal(amount));
  return unit === "ACU" ? `${text}\u00a0ACU` : text;
}

/** An amount to the micro: at least two decimals, as many more as it has. */
export const exact = (amount, unit, more) => write(micros(amount), bare(unit), { least: 2, most: 6 }, more);

/** How many decimals it takes to write all of these to the micro, so that they stand one below the other: 2 to 6. */
export function decimalsOf(amounts) {
  const most = Math.max(0, ...amounts.map((a) => decimal(micros(a)).split(".")[1]?.length ?? 0));
  return { minimumFractionDigits: Math.max(2, most) };
}

/** An amount to read at a glance: two decimals, and the first two digits that count of what is smaller. */
export function money(amount, unit) {
  const value = micros(amount);
  const size = value < 0n ? -value : value;
  if (size === 0n || size >= MICROS / 10n) return write(value, bare(unit), { least: 2, most: 2 });
  const zeros = 6 - String(size).length;
  return write(value, bare(unit), { least: 2, most: Math.min(6, zeros + 2) });
}

/** An exact decimal of the contract, such as a price, in the unit. */
export function decimalText(text, unit) {
  const written = cached(Intl.NumberFormat, amountOptions(bare(unit), { least: 2, most: 12 })).format(text);
  return bare(unit) === "ACU" ? `${written}\u00a0ACU` : written;
}

/** An amount for the scale of a plot. */
export const short = (amount, unit) => write(micros(amount), bare(unit), { least: 0, most: 2 }, { notation: "compact" });

/** "USD" or "ACU" of a contract's unit, which may have the enum's name before it. */
export const bare = (unit) => String(unit ?? "").replace(/^UNIT_/, "");

/** What an entered amount is in micros, or null if it is none: "1,234.50" where that is how the locale writes it. */
export function parseAmount(text) {
  const { group, point } = separators();
  const whole = `\\d+|\\d{1,3}(?:${group}\\d{3})+`;
  const found = new RegExp(`^(${whole})(?:${point}(\\d{1,6}))?$`).exec(text.trim().replace(/^\$|\s*ACU$|\s*\$$/g, "").trim());
  if (!found) return null;
  const [, units, fraction = ""] = found;
  return BigInt(units.replace(/\D/g, "")) * MICROS + BigInt(fraction.padEnd(6, "0"));
}

/** An amount as parseAmount reads it, to put into a field. */
export const editable = (amount) =>
  cached(Intl.NumberFormat, { useGrouping: false, maximumFractionDigits: 6, numberingSystem: "latn" }).format(decimal(micros(amount)));

/** What parseAmount expects, for the field's help. */
export const amountExample = () => cached(Intl.NumberFormat, { minimumFractionDigits: 2, numberingSystem: "latn" }).format(1250);

function separators() {
  const parts = cached(Intl.NumberFormat, { minimumFractionDigits: 1, numberingSystem: "latn" }).formatToParts(1234567.8);
  const of = (type) => parts.find((p) => p.type === type)?.value ?? "";
  const escape = (s) => (/\s/.test(s) ? "\\s" : s.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return { group: escape(of("group")) || "(?!)", point: escape(of("decimal")) || "\\." };
}

/** A count: 12,345. */
export const count = (n) => cached(Intl.NumberFormat, {}).format(BigInt(n ?? 0));

/** A count for people, with its noun: "1 turn", "3 turns". */
export const counted = (n, one, many = `${one}s`) => `${count(n)} ${BigInt(n ?? 0) === 1n ? one : many}`;

/** A part of a whole in percent, 0 to 100, for the length of a bar and for its name. A whole of 0 is full if anything is used. */
export function percent(part, whole) {
  if (whole <= 0n) return part > 0n ? 100 : 0;
  const tenths = (part * 1000n) / whole;
  return Number(tenths > 1000n ? 1000n : tenths) / 10;
}

/** A moment's day: "12 March 2026" as the locale writes it. */
export const day = (at, zone) => cached(Intl.DateTimeFormat, { dateStyle: "long", timeZone: zone }).format(new Date(at));

/** A moment's day without the year where it is this one. */
export function dayShort(at, zone) {
  const options = { day: "numeric", month: "short", timeZone: zone };
  if (dateIn(at, zone).slice(0, 4) !== dateIn(now(), zone).slice(0, 4)) options.year = "numeric";
  return cached(Intl.DateTimeFormat, options).format(new Date(at));
}

/** A moment to the minute. */
export const moment = (at, zone) =>
  cached(Intl.DateTimeFormat, { dateStyle: "medium", timeStyle: "short", timeZone: zone }).format(new Date(at));

/** A moment to the second. */
export const instant = (at, zone) =>
  cached(Intl.DateTimeFormat, { dateStyle: "medium", timeStyle: "medium", timeZone: zone }).format(new Date(at));

/** A date without a time zone, {year, month, day} or "2026-03-12", written out. */
export function plainDate(date, options = { dateStyle: "long" }) {
  const [y, m, d] = typeof date === "string" ? date.split("-").map(Number) : [date.year, date.month, date.day];
  return cached(Intl.DateTimeFormat, { ...options, timeZone: "UTC" }).format(new Date(Date.UTC(y, m - 1, d)));
}

/** The date that a moment has in a time zone: "2026-03-12". */
export function dateIn(at, zone) {
  const options = { year: "numeric", month: "2-digit", day: "2-digit", timeZone: zone, calendar: "iso8601", numberingSystem: "latn" };
  const key = `date${zone}`;
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat("en-CA", options));
  const parts = Object.fromEntries(formats.get(key).formatToParts(new Date(at)).map((p) => [p.type, p.value]));
  return `${parts.year}-${parts.month}-${parts.day}`;
}

/** The first moment of a date in a time zone, in milliseconds; where clocks skip midnight, the first moment there is. */
export function startOf(date, zone) {
  const noonUTC = Date.parse(`${date}T12:00:00Z`);
  let before = noonUTC - 40 * 3_600_000;
  let within = noonUTC + 28 * 3_600_000;
  while (within - before > 1000) {
    const middle = Math.floor((before + within) / 2000) * 1000;
    if (dateIn(middle, zone) < date) before = middle;
    else within = middle;
  }
  return within;
}

/** A date so many days later. */
export function addDays(date, days) {
  const moved = new Date(`${date}T00:00:00Z`);
  moved.setUTCDate(moved.getUTCDate() + days);
  return moved.toISOString().slice(0, 10);
}

/** How far off a moment is: "in 3 days", "2 hours ago". */
export function relative(at) {
  const seconds = Math.round((new Date(at).getTime() - now()) / 1000);
  const steps = [["day", 86_400], ["hour", 3600], ["minute", 60], ["second", 1]];
  const [unit, size] = steps.find(([, s]) => Math.abs(seconds) >= s) ?? steps[3];
  return cached(Intl.RelativeTimeFormat, { numeric: "auto" }).format(Math.trunc(seconds / size), unit);
}

/** "POOL_EMPTY" as a person says it: "Pool empty". */
export function words(name) {
  const text = String(name ?? "").toLowerCase().replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Initials of a name, at most two. */
export function initials(name) {
  const parts = name.trim().split(/[\s._@-]+/).filter(Boolean);
  const letters = parts.length > 1 ? [parts[0], parts.at(-1)] : parts;
  return letters.map((p) => [...p][0].toLocaleUpperCase()).join("") || "?";
}
