// Figures that move: asks again every two seconds while somebody looks, rests while nobody does, and slows down while the
// server does not answer. What does not move any more is asked once.
import { useCallback, useEffect, useRef, useState } from "../vendor/preact-htm.js";

const slowest = 30_000;
const pace = 2000;

/** How often to ask for what does not change any more. */
export const once = Infinity;

/**
 * What load(signal) answers, again and again. dependencies say when it is another question: then the old answer is
 * forgotten, unless keep says that it may stand until the new one is there.
 */
export function useLive(load, dependencies, { every = pace, keep = false } = {}) {
  const [state, setState] = useState({ data: null, error: null, loading: true });
  const latest = useRef(load);
  latest.current = load;
  const poke = useRef(() => {});

  useEffect(() => {
    if (!keep) setState({ data: null, error: null, loading: true });
    const poll = startPolling(
      (signal) => latest.current(signal),
      every,
      (data) => setState({ data, error: null, loading: false }),
      (error) => setState((before) => ({ data: before.data, error, loading: false })),
    );
    poke.current = poll.now;
    return poll.stop;
  }, dependencies);

  const refresh = useCallback(() => poke.current(), []);
  return { ...state, refresh };
}

function startPolling(load, every, onData, onError) {
  const stopping = new AbortController();
  let timer = 0;
  let failures = 0;
  let running = null;
  let settled = false;

  const again = (delay) => {
    clearTimeout(timer);
    if (!stopping.signal.aborted && !document.hidden && delay !== once) timer = setTimeout(round, delay);
  };
  const round = () => { running ??= ask().finally(() => { running = null; }); return running; };
  const ask = async () => {
    clearTimeout(timer);
    try {
      const data = await load(stopping.signal);
      if (stopping.signal.aborted) return;
      failures = 0;
      settled = every === once;
      onData(data);
    } catch (error) {
      if (stopping.signal.aborted || error.name === "AbortError") return;
      failures++;
      onError(error);
      if (isFinal(error)) return;
    }
    again(failures ? Math.min(slowest, Math.min(every, pace) * 2 ** failures) : every);
  };
  const onVisible = () => {
    clearTimeout(timer);
    if (!document.hidden && !settled) round();
  };
  document.addEventListener("visibilitychange", onVisible);
  round();
  return {
    // An answer that was asked for before may be older than what the caller just did: ask once more after it.
    now: async () => { if (running) await running; await round(); },
    stop: () => {
      stopping.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", onVisible);
    },
  };
}

/** Whether asking again will not help by itself. */
export const isFinal = (error) => ["permission_denied", "unauthenticated", "unimplemented", "not_found", "invalid_argument"].includes(error.code);
