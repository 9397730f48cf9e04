// Reading that follows what it depends on, and can be done again.

import { useCallback, useEffect, useState } from 'preact/hooks';
import { words } from '../ui/form';

export interface Reading<T> {
  value: T | undefined; // what was read last, also while it is read again
  error: string; // in the server's words
  again: () => void;
}

/** useReading reads whenever key changes, and every so often when it is told to. */
export function useReading<T>(key: string, read: (signal: AbortSignal) => Promise<T>, everyMs = 0): Reading<T> {
  const [state, set] = useState<{ key: string; value: T | undefined; error: string }>({ key, value: undefined, error: '' });
  const [turn, next] = useState(0);
  useEffect(() => {
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = async () => {
      if (document.visibilityState === 'visible') {
        try {
          const value = await read(stop.signal);
          if (!stop.signal.aborted) set({ key, value, error: '' });
        } catch (error) {
          if (!stop.signal.aborted) set((s) => ({ key, value: s.key === key ? s.value : undefined, error: words(error) }));
        }
      }
      if (everyMs > 0 && !stop.signal.aborted) timer = setTimeout(() => void look(), everyMs);
    };
    void look();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [key, turn]);
  const again = useCallback(() => next((n) => n + 1), []);
  return { value: state.key === key ? state.value : undefined, error: state.key === key ? state.error : '', again };
}
