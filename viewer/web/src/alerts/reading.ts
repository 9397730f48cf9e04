// Readings of alerts that stay true: they are read again when the server says that alerts
// changed.

import { useEffect, useRef, useState } from 'preact/hooks';
import { useApp } from '../app';
import { words } from '../ui/form';
import { Calm } from './stream';

export interface Fresh<T> {
  value: T | undefined; // what was read last for this key, or for the one before until it is here
  error: string; // in the server's words
  loading: boolean; // nothing was read for this key yet
  again(): void;
}

/** useFresh reads when the key changes and when alerts did; an empty key reads nothing. */
export function useFresh<T>(key: string, read: (signal: AbortSignal) => Promise<T>): Fresh<T> {
  const app = useApp();
  const [state, set] = useState<{ key: string; value: T | undefined; error: string }>({ key: '', value: undefined, error: '' });
  const reader = useRef(read);
  reader.current = read;
  const again = useRef(() => {});
  useEffect(() => {
    if (key === '') return undefined;
    let stop = new AbortController();
    const look = () => {
      stop.abort();
      const { signal } = (stop = new AbortController());
      reader.current(signal).then(
        (value) => signal.aborted || set({ key, value, error: '' }),
        (error: unknown) => signal.aborted || set((s) => ({ key, value: s.key === key ? s.value : undefined, error: words(error) })),
      );
    };
    const calm = new Calm(look);
    const end = app.alerts.onChange(() => calm.due());
    again.current = look;
    look();
    return () => {
      end();
      calm.stop();
      stop.abort();
    };
  }, [key, app]);
  return { value: key === '' ? undefined : state.value, error: state.key === key ? state.error : '', loading: state.key !== key, again: () => again.current() };
}
