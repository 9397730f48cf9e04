// What happened to a node, newest first: changes of its status, lines of logs, tuned
// thresholds; of a group also what happened below it.

import { useEffect, useState } from 'preact/hooks';
import { tellingOf } from '../alerts/told';
import { useApp } from '../app';
import { Problem, get } from '../api';
import { age, show } from '../format';
import { Choice } from '../ui/form';
import { Icon, Mark } from '../ui/marks';
import { statusWords } from '../wire';
import { NodeLink } from './link';
import { atMoment } from './history';
import { statusOf } from './series';

interface Entry {
  id: string;
  time: string;
  kind: string;
  path: string;
  from?: string;
  to: string;
  value?: number | string;
  unit?: string;
  text?: string;
}

const page = 20;
const back = '-90d';

export function Log({ path, group, way, mark }: { path: string; group: boolean; way: boolean; mark: string }) {
  const app = useApp();
  const [below, setBelow] = useState(true);
  const [entries, setEntries] = useState<Entry[] | undefined>(undefined);
  const [next, setNext] = useState('');
  const [error, setError] = useState('');
  const [busy, setBusy] = useState(false);
  const only = !group || !below;
  const { at } = app;

  const query = (after: string) => {
    const q = new URLSearchParams({ path, only: String(only), limit: String(page) });
    if (after) q.set('after', after);
    else if (at !== undefined) {
      q.set('to', new Date(at + 1).toISOString());
      q.set('from', new Date(at - 90 * 86_400_000).toISOString());
    } else q.set('from', back);
    return `api/v1/journal?${q}`;
  };
  const read = async (after: string, signal?: AbortSignal) => {
    setBusy(true);
    try {
      const answer = await get<{ entries: Entry[]; next?: string }>(query(after), signal);
      if (signal?.aborted) return;
      setEntries((before) => (after ? [...(before ?? []), ...answer.entries] : answer.entries));
      setNext(answer.next ?? '');
      setError('');
    } catch (e) {
      if (signal?.aborted) return;
      if (!(e instanceof Problem)) throw e;
      setError(e.message);
    }
    setBusy(false);
  };
  useEffect(() => {
    const abort = new AbortController();
    // What changed a moment ago is in the journal a moment later.
    const timer = setTimeout(() => void read('', abort.signal), entries === undefined ? 0 : 700);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [path, only, at, mark]);

  return (
    <section class="log" aria-label="What happened">
      <h3>What happened</h3>
      {group && !way ? (
        <Choice
          label="Of what"
          value={below ? 'below' : 'only'}
          onValue={(v) => setBelow(v === 'below')}
          options={[
            ['below', 'Everything below'],
            ['only', 'This group'],
          ]}
        />
      ) : null}
      {error ? (
        <p class="trouble" role="status">
          {error}
        </p>
      ) : null}
      {entries?.length === 0 ? <p class="hint">Nothing in the last 90 days.</p> : null}
      {entries && entries.length > 0 ? (
        <ol class="events">
          {entries.map((e) => (
            <li key={e.id}>
              {e.kind === 'alert' && tellingOf(e) ? <Icon name="bell" /> : <Mark status={statusOf(e.to)} size={12} label={statusWords[statusOf(e.to)]} />}
              <span class="text">
                {e.path === path ? null : (
                  <>
                    <NodeLink path={e.path} from={path} bare />{' '}
                  </>
                )}
                {sentence(e)}
              </span>
              <time dateTime={e.time} title={`${age(app.shown() - Date.parse(e.time))} ago`}>
                {atMoment(e.time, app.shown())}
              </time>
            </li>
          ))}
        </ol>
      ) : null}
      {next ? (
        <button disabled={busy} onClick={() => void read(next)}>
          Show more
        </button>
      ) : null}
    </section>
  );
}

function sentence(e: Entry): string {
  if (e.kind !== 'status') return e.text ?? e.kind;
  const shown = show(e.value, e.unit);
  const value = shown.number ? ` at ${typeof e.value === 'string' ? `“${shown.number}”` : shown.number}${shown.unit ? ` ${shown.unit}` : ''}` : '';
  return `${e.to}${e.to === 'white' ? '' : value}, was ${e.from ?? 'white'}${e.text ? `: ${e.text}` : ''}`;
}
