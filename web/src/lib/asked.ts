import { useEffect, useState } from "preact/hooks";

import { asked, replaying } from "../store";

const LIVE_MS = 5000;
const PAUSE_MS = 120;

export interface Answer<T> {
  value: T | null;
  error: string;
  waiting: boolean;
}

/**
 * Asks the API again whenever the shown moment or `deps` change, when live also every `live_ms`. The last answer stays
 * while a new one is awaited; another element's answer does not.
 */
export function useAsked<T>(question: (signal: AbortSignal) => Promise<T>, deps: unknown[], live_ms = LIVE_MS): Answer<T> {
  const [answer, setAnswer] = useState<Answer<T>>({ value: null, error: "", waiting: true });
  const moment = JSON.stringify(asked.value);
  const replay = replaying.value;
  useEffect(() => setAnswer({ value: null, error: "", waiting: true }), deps);
  useEffect(() => {
    const stop = new AbortController();
    const ask = (): void => {
      question(stop.signal).then(
        (value) => setAnswer({ value, error: "", waiting: false }),
        (error: unknown) => {
          if (stop.signal.aborted) return;
          setAnswer((old) => ({ ...old, error: error instanceof Error ? error.message : String(error), waiting: false }));
        },
      );
    };
    const first = window.setTimeout(ask, PAUSE_MS);
    const again = replay ? 0 : window.setInterval(ask, live_ms);
    return () => {
      clearTimeout(first);
      clearInterval(again);
      stop.abort();
    };
  }, [moment, replay, ...deps]);
  return answer;
}
