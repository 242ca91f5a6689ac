// Reads the details of an error: google.rpc messages as base64 of their wire format. Only the few fields that the page
// shows are read; a full protobuf library would be many times the page.

/** What the details of a Connect error say: reason, metadata, message, retryAfterSeconds, violations; each may be absent. */
export function readDetails(details = []) {
  const read = {};
  for (const { type, value } of details) {
    const reader = readers[String(type).replace(/^.*\//, "")];
    if (reader && value) Object.assign(read, reader(fields(bytes(value))));
  }
  return read;
}

const readers = {
  "google.rpc.ErrorInfo": (f) => ({ reason: text(f[1]?.[0]), metadata: Object.fromEntries((f[3] ?? []).map(pair)) }),
  "google.rpc.LocalizedMessage": (f) => ({ message: text(f[2]?.[0]) }),
  "google.rpc.RetryInfo": (f) => ({ retryAfterSeconds: seconds(f[1]?.[0]) }),
  "google.rpc.BadRequest": (f) => ({ violations: (f[1] ?? []).map(violation) }),
};

function pair(entry) {
  const f = fields(entry);
  return [text(f[1]?.[0]), text(f[2]?.[0])];
}

function violation(entry) {
  const f = fields(entry);
  return { field: text(f[1]?.[0]), description: text(f[2]?.[0]) };
}

function seconds(duration) {
  if (!duration) return 0;
  const f = fields(duration);
  return Number(f[1]?.[0] ?? 0) + Number(f[2]?.[0] ?? 0) / 1e9;
}

function bytes(base64) {
  const padded = base64.replaceAll("-", "+").replaceAll("_", "/");
  return Uint8Array.from(atob(padded), (c) => c.charCodeAt(0));
}

const text = (raw) => (raw ? new TextDecoder().decode(raw) : "");

/** Fields of a message by number: numbers for varints, bytes for the rest, in order. */
function fields(raw) {
  const found = {};
  const at = { raw, next: 0 };
  while (at.next < raw.length) {
    const tag = varint(at);
    const value = valueOf(tag & 7, at);
    if (value === undefined) break;
    (found[tag >> 3] ??= []).push(value);
  }
  return found;
}

function valueOf(wireType, at) {
  if (wireType === 0) return varint(at);
  const size = { 1: 8, 2: wireType === 2 ? varint(at) : 0, 5: 4 }[wireType];
  if (size === undefined) return undefined;
  at.next += size;
  return at.raw.subarray(at.next - size, at.next);
}

function varint(at) {
  let value = 0;
  for (let shift = 0; at.next < at.raw.length; shift += 7) {
    const byte = at.raw[at.next++];
    value += (byte & 127) * 2 ** shift;
    if (byte < 128) break;
  }
  return value;
}
