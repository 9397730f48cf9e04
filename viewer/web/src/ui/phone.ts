// Whether the window is as narrow as a phone's.

import { useEffect, useState } from 'preact/hooks';

export const narrow = matchMedia('(max-width: 760px)');

/** usePhone is narrow, followed. */
export function usePhone(): boolean {
  const [phone, setPhone] = useState(narrow.matches);
  useEffect(() => {
    const changed = () => setPhone(narrow.matches);
    narrow.addEventListener('change', changed);
    return () => narrow.removeEventListener('change', changed);
  }, []);
  return phone;
}
