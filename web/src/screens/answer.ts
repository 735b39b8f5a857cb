// Asks the server again whenever the question changes, and shows the last answer until the next one is there.
import { useEffect, useState } from "preact/hooks";

const PAUSE_MS = 120;

export interface Answer<T> {
  answer: T | null;
  /** Why there is none, for a person; empty while all is well. */
  trouble: string;
}

/**
 * The answer to a question that `key` names. While somebody drags the time bar, only where it rests is asked.
 * `again_s` above 0 asks anew after as many seconds.
 */
export function useAnswer<T>(key: string, ask: (signal: AbortSignal) => Promise<T>, again_s = 0): Answer<T> {
  const [state, set] = useState<Answer<T>>({ answer: null, trouble: "" });
  useEffect(() => {
    const stop = new AbortController();
    let timer = 0;
    const once = (): void => {
      ask(stop.signal).then(
        (answer) => {
          if (!stop.signal.aborted) set({ answer, trouble: "" });
        },
        (error: unknown) => {
          if (stop.signal.aborted) return;
          set((before) => ({ answer: before.answer, trouble: error instanceof Error ? error.message : String(error) }));
        },
      ).finally(() => {
        if (again_s > 0 && !stop.signal.aborted) timer = window.setTimeout(once, again_s * 1000);
      });
    };
    timer = window.setTimeout(once, PAUSE_MS);
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [key, again_s]);
  return state;
}
