// Something that a part of a page reads once, and again after a change.

import { useCallback, useEffect, useState } from 'preact/hooks';
import { words } from '../ui/form';

export interface Fetched<T> {
  value: T | undefined; // undefined until the server answered
  error: string; // in the server's words
  again(): void;
  set(value: T): void; // what an answer to a change says already
}

/** useFetched reads when the part appears, and when one of the keys is another. */
export function useFetched<T>(read: (signal: AbortSignal) => Promise<T>, keys: readonly unknown[]): Fetched<T> {
  const [value, set] = useState<T | undefined>();
  const [error, setError] = useState('');
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    read(abort.signal).then(
      (next) => {
        set(next);
        setError('');
      },
      (problem: unknown) => {
        if (!abort.signal.aborted) setError(words(problem));
      },
    );
    return () => abort.abort();
  }, [...keys, turn]);
  const again = useCallback(() => setTurn((n) => n + 1), []);
  return { value, error, again, set };
}
