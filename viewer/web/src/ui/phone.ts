// Whether the window is as narrow as a phone's, or as something else is asked.

import { useEffect, useState } from 'preact/hooks';

export const narrow = matchMedia('(max-width: 760px)');

/** usePhone is narrow, followed. */
export const usePhone = () => useMedia(narrow);

/** useMedia follows whether a question about the window holds; the question stays the same. */
export function useMedia(query: MediaQueryList): boolean {
  const [holds, set] = useState(query.matches);
  useEffect(() => {
    const changed = () => set(query.matches);
    changed();
    query.addEventListener('change', changed);
    return () => query.removeEventListener('change', changed);
  }, [query]);
  return holds;
}
