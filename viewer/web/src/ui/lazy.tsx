// Pages that are fetched when they are first opened: what few look at, or not at first,
// does not keep everybody waiting.

import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';

type Later = typeof import('../later');

let later: Later | undefined;

/** lazy is a page that is fetched, with all others of its kind, when one of them is first shown. */
export function lazy(name: keyof Later): ComponentType {
  return function Lazy() {
    const [, again] = useState(0);
    const [failed, fail] = useState(false);
    useEffect(() => {
      if (later) return;
      import('../later').then(
        (loaded) => {
          later = loaded;
          again((n) => n + 1);
        },
        () => fail(true),
      );
    }, []);
    if (later) {
      const View = later[name];
      return <View />;
    }
    if (!failed) return <p class="nothing calm">Loading…</p>;
    return (
      <div class="nothing">
        <h1>This page could not be fetched</h1>
        <p>Grove does not answer, or it is of another version by now.</p>
        <button onClick={() => location.reload()}>Load everything again</button>
      </div>
    );
  };
}
