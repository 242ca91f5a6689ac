// Calls of the contract: Connect JSON to the page's own origin, with the session's cookie.
import { readDetails } from "./details.js";

/** Why a call failed: code as in the contract ("permission_denied"), reason of the ErrorInfo, message for people. */
export class CallError extends Error {
  constructor({ code, message, details }) {
    const read = readDetails(details);
    super(read.message || message || "The call failed.");
    this.name = "CallError";
    this.code = code;
    this.reason = read.reason ?? "";
    this.metadata = read.metadata ?? {};
    this.violations = read.violations ?? [];
    this.retryAfterSeconds = read.retryAfterSeconds ?? 0;
  }

  /** Whether the server cannot tell it at all: an older one, or one without that service. */
  get unknownToServer() {
    return this.code === "unimplemented";
  }

  get refused() {
    return this.code === "permission_denied";
  }

  get sessionIsOver() {
    return this.code === "unauthenticated";
  }
}

const tries = 4;
const firstPause = 250;

let onSessionOver = () => {};
let onRefused = () => {};

/** Says what to do once a call finds the session over. */
export const whenSessionIsOver = (callback) => { onSessionOver = callback; };

/** Says what to do once a call is refused: the caller may be somebody else than the page believes. */
export const whenRefused = (callback) => { onRefused = callback; };

/**
 * Calls one RPC, "PoolService/GetPool". What is unavailable is asked again, a few times: the contract promises that the
 * same request is not applied twice. asOperator leaves the cookie out, which under --dev makes the caller the operator.
 */
export async function call(method, request, { signal, asOperator = false } = {}) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await once(method, request, signal, asOperator);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      if (error.sessionIsOver && !asOperator) onSessionOver();
      if (error.refused) onRefused();
      if (attempt >= tries || !worthRetrying(error)) throw error;
      await pause(Math.max(error.retryAfterSeconds * 1000, firstPause * 2 ** attempt * (0.5 + Math.random() / 2)), signal);
    }
  }
}

const worthRetrying = (error) => error.code === "unavailable" || error.code === "aborted";

async function once(method, request, signal, asOperator) {
  let response;
  try {
    response = await fetch(`/meter.v1.${method}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "Connect-Protocol-Version": "1" },
      body: JSON.stringify(request),
      credentials: asOperator ? "omit" : "same-origin",
      cache: "no-store",
      signal,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new CallError({ code: "unavailable", message: "The server cannot be reached. Check the connection." });
  }
  const answer = await response.json().catch(() => null);
  if (response.ok && answer) return answer;
  throw new CallError({ code: codeOf(response.status), ...answer });
}

/** The code of an answer that is not the contract's: a proxy's, for instance. */
function codeOf(status) {
  const codes = { 401: "unauthenticated", 403: "permission_denied", 404: "unimplemented", 429: "unavailable", 501: "unimplemented" };
  return codes[status] ?? (status >= 500 ? "unavailable" : "internal");
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(new DOMException("The page moved on.", "AbortError"));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

/**
 * One page of a list. Where a filter leaves nothing of a page, the next one is asked for: an empty page is not the last one.
 */
export async function pageOf(method, request, rowsOf, { signal, rounds = 20 } = {}) {
  let pageToken = request.pageToken ?? "";
  for (let round = 0; ; round++) {
    const answer = await call(method, { ...request, pageToken }, { signal });
    pageToken = answer.nextPageToken ?? "";
    const rows = rowsOf(answer) ?? [];
    if (rows.length || !pageToken || round >= rounds) return { ...answer, rows, nextPageToken: pageToken };
  }
}
