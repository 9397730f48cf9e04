// What beans emit, as it comes.

import { useEffect, useRef, useState } from 'preact/hooks';
import { clock, moment, plural } from '../format';
import { Icon } from '../ui/marks';
import { type Told, notificationsUrl } from './api';
import { parts } from './text';
import { Value } from './value';

const mostShown = 200;
const drawMs = 250; // however many come

interface Heard extends Told {
  at: number; // counts those of this list
}

interface State {
  list: readonly Heard[]; // newest first
  lost: number; // that the server dropped
  waiting: number; // that came while paused
  trouble: string;
  open: boolean; // the server tells what comes
}

const nothing: State = { list: [], lost: 0, waiting: 0, trouble: '', open: false };

/** Notifications listens to a bean, or to all that a pattern matches. */
export function Notifications({ name }: { name: string }) {
  const [paused, setPaused] = useState(false);
  const [tries, setTries] = useState(0);
  const [state, draw] = useState<State>(nothing);
  const now = useRef<State>(nothing);
  const hold = useRef(false);
  hold.current = paused;
  const resume = useRef(() => {}); // shows what came meanwhile

  useEffect(() => {
    now.current = nothing;
    draw(nothing);
    setPaused(false);
    let held: Heard[] = [];
    let count = 0;
    let timer = 0;
    const change = (next: Partial<State>) => {
      now.current = { ...now.current, ...next };
      timer ||= window.setTimeout(() => {
        timer = 0;
        if (!hold.current && held.length > 0) {
          now.current = { ...now.current, list: [...held.reverse(), ...now.current.list].slice(0, mostShown), waiting: 0 };
          held = [];
        }
        draw(now.current);
      }, drawMs);
    };
    const source = new EventSource(notificationsUrl(name));
    source.onopen = () => change({ trouble: '', open: true });
    source.onmessage = (event) => {
      try {
        held.push({ ...(JSON.parse(event.data as string) as Told), at: count++ });
      } catch {
        return; // not a notification
      }
      if (held.length > mostShown) held.shift();
      change({ waiting: hold.current ? now.current.waiting + 1 : 0 });
    };
    source.addEventListener('lost', (event) => {
      const { lost } = JSON.parse((event as MessageEvent<string>).data) as { lost?: number };
      change({ lost: now.current.lost + (lost ?? 1) });
    });
    source.addEventListener('gone', () => {
      source.close();
      change({ trouble: 'The bean is not there any more.' });
    });
    source.onerror = () =>
      change({ open: false, trouble: source.readyState === EventSource.CLOSED ? 'The server does not tell of it.' : 'The connection is lost; trying again…' });
    resume.current = () => change({});
    return () => {
      source.close();
      clearTimeout(timer);
    };
  }, [name, tries]);

  const { list, lost, waiting, trouble, open } = state;
  const pause = () => {
    hold.current = !paused;
    setPaused(!paused);
    if (paused) resume.current();
  };
  return (
    <div class="notifications">
      <div class="actions">
        <button aria-pressed={paused} onClick={pause}>
          {paused ? 'Go on' : 'Pause'}
        </button>
        <button
          disabled={list.length === 0}
          onClick={() => {
            now.current = { ...now.current, list: [], lost: 0 };
            draw(now.current);
          }}
        >
          Clear
        </button>
        <span class="soft" role="status">
          {paused ? (waiting > 0 ? `Paused, ${plural(waiting, 'new one', 'new ones')}` : 'Paused') : trouble ? '' : open ? 'Listening' : 'Connecting…'}
        </span>
        {lost > 0 ? <span class="soft">{plural(lost, 'one', 'of them')} came too quickly and {lost === 1 ? 'is' : 'are'} missing.</span> : null}
      </div>
      {trouble ? (
        <p class="trouble">
          {trouble}{' '}
          <button class="link" onClick={() => setTries(tries + 1)}>
            Try again
          </button>
        </p>
      ) : null}
      {list.length === 0 ? (
        <p class="soft">Nothing came yet.</p>
      ) : (
        <ul class="told">
          {list.map((n) => (
            <li key={n.at}>
              <details>
                <summary>
                  <time dateTime={n.time} title={moment(Date.parse(n.time))}>
                    {clock(Date.parse(n.time))}
                  </time>
                  <span class="what">{n.message || n.type}</span>
                  <Icon name="chevron" />
                </summary>
                <dl class="values">
                  <dt>type</dt>
                  <dd>{n.type}</dd>
                  <dt>source</dt>
                  <dd>{n.path ?? parts(n.source).title}</dd>
                  {n.sequence ? (
                    <>
                      <dt>number</dt>
                      <dd>{n.sequence}</dd>
                    </>
                  ) : null}
                  {n.data === undefined || n.data === null ? null : (
                    <>
                      <dt>data</dt>
                      <dd>
                        <Value value={n.data} type="map" />
                      </dd>
                    </>
                  )}
                </dl>
              </details>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
