// The sound when something turns red. Browsers let a page make a sound only after
// somebody has clicked or typed in it.

import { useEffect, useRef, useState } from 'preact/hooks';
import { Red } from '../wire';
import type { Trouble } from './model';

let context: AudioContext | undefined;

/** wake lets the page make sounds; it is called from a click. */
export async function wake(): Promise<void> {
  try {
    context ??= new AudioContext();
    if (context.state === 'suspended') await context.resume();
  } catch {
    // A machine without a loudspeaker.
  }
}

const quietMs = 3000; // many at once are one sound
let last = -Infinity;

/** beep makes two short tones, a falling third apart. */
export function beep(): void {
  if (context?.state !== 'running' || performance.now() - last < quietMs) return;
  last = performance.now();
  for (const [at, hertz] of [[0, 880], [0.16, 698]] as const) {
    const tone = context.createOscillator();
    const volume = context.createGain();
    const begin = context.currentTime + at;
    tone.frequency.value = hertz;
    volume.gain.setValueAtTime(0, begin);
    volume.gain.linearRampToValueAtTime(0.18, begin + 0.015);
    volume.gain.exponentialRampToValueAtTime(0.001, begin + 0.15);
    tone.connect(volume).connect(context.destination);
    tone.start(begin);
    tone.stop(begin + 0.16);
  }
}

/** useSound sounds when something turned red that was not red before; it says whether the browser still waits for a click. */
export function useSound(on: boolean, ready: boolean, items: readonly Trouble[]): boolean {
  const known = useRef<ReadonlySet<string> | undefined>(undefined);
  const [waits, setWaits] = useState(false);
  useEffect(() => {
    if (!on) return undefined;
    const check = () => setWaits(context?.state !== 'running');
    const act = () => void wake().then(check);
    check();
    addEventListener('pointerdown', act);
    addEventListener('keydown', act);
    return () => {
      removeEventListener('pointerdown', act);
      removeEventListener('keydown', act);
    };
  }, [on]);
  useEffect(() => {
    if (!ready) return;
    const red = new Set(items.filter((i) => i.status === Red).map((i) => i.path));
    if (on && known.current && [...red].some((path) => !known.current!.has(path))) beep();
    known.current = red;
  }, [on, ready, items]);
  return on && waits;
}
