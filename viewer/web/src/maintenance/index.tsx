// The maintenance page: what is worked on now, next and again and again, and how to plan it.

import { useState } from 'preact/hooks';
import { useFresh } from '../alerts/reading';
import { AlertTabs } from '../alerts/tabs';
import { useApp, useNow } from '../app';
import { duration, moment } from '../format';
import { NodeLink } from '../node/link';
import { maySomewhere } from '../session';
import { confirm, toast } from '../ui/dialog';
import { ErrorText, words } from '../ui/form';
import { Icon } from '../ui/marks';
import { type Window, endWindow, fetchWindows, removeWindow } from './api';
import { Plan } from './form';
import { ruleText } from './rule';

export function MaintenancePage() {
  const app = useApp();
  const { value: windows, error, again } = useFresh('maintenance', fetchWindows);
  const [planning, plan] = useState(false); // without an address of its own
  const now = (windows ?? []).filter((w) => w.now);
  const next = (windows ?? []).filter((w) => !w.now && w.next && !w.rule);
  const recurring = (windows ?? []).filter((w) => !w.now && w.next && w.rule);
  const over = (windows ?? []).filter((w) => !w.now && !w.next);
  const parts: readonly (readonly [title: string, list: readonly Window[], none: string])[] = [
    ['Now', now, 'Nothing is worked on.'],
    ['Next', next, 'Nothing is planned.'],
    ['Again and again', recurring, 'Nothing repeats.'],
    ['Over', over, ''],
  ];
  return (
    <div class="desk-page maintenance-page">
      <AlertTabs />
      <div class="head-line">
        <h1>Maintenance</h1>
        {maySomewhere(app.session, 'operator') ? (
          <button class="primary" onClick={() => plan(true)}>
            <Icon name="plus" /> Plan a maintenance
          </button>
        ) : null}
      </div>
      <p class="soft">While something is worked on, its alerts are held back and nobody is told. Checks go on.</p>
      <ErrorText text={error} />
      {windows
        ? parts.map(([title, list, none]) =>
            list.length === 0 && none === '' ? null : (
              <section key={title} aria-label={title}>
                <h2>{title}</h2>
                {list.length === 0 ? <p class="soft">{none}</p> : null}
                <ul class="windows">
                  {list.map((w) => (
                    <WindowView key={w.id} w={w} again={again} />
                  ))}
                </ul>
              </section>
            ),
          )
        : null}
      {planning || app.route.params.plan !== undefined ? <Plan at={app.route.params.plan ?? app.route.node ?? ''} onClose={() => (plan(false), app.put({ plan: undefined }))} onDone={again} /> : null}
    </div>
  );
}

/** timesOf says when a window is, in words. */
export function timesOf(w: Window, now: number): string {
  if (w.now) return `until ${moment(Date.parse(w.now.end), now)}, ${duration(Date.parse(w.now.end) - now)} more`;
  if (!w.next) return `it was ${moment(Date.parse(w.start), now)}`;
  const start = Date.parse(w.next.start);
  return `${moment(start, now)}, in ${duration(start - now)}, for ${w.for}`;
}

function WindowView({ w, again }: { w: Window; again: () => void }) {
  const now = useNow();
  const [error, setError] = useState('');
  const act = async (title: string, text: string, word: string, work: () => Promise<unknown>, done: string) => {
    if (!(await confirm({ title, text, action: word, danger: true }))) return;
    try {
      await work();
      setError('');
      toast(done);
    } catch (problem) {
      setError(words(problem));
    }
    again();
  };
  const file = w.source === 'file';
  return (
    <li class={w.now ? 'runs' : ''}>
      <div class="thing">
        <p>
          <Icon name="wrench" /> <b>{w.name}</b> <span class="soft">{timesOf(w, now)}</span>
        </p>
        <p class="at">
          {w.at.map((path) => (
            <NodeLink key={path} path={path} from="/" />
          ))}
          {w.hidden ? <span class="soft">and nodes that you may not see</span> : null}
        </p>
        <p class="soft">
          {[
            w.rule ? `${ruleText(w.rule)}${w.zone ? `, by the clock of ${w.zone}` : ''}` : '',
            w.announce && w.announce !== '0s' ? `announced ${w.announce} ahead` : '',
            w.by ? `planned by ${w.by}` : '',
            file ? 'it stands in the file of alerts, and is changed there' : '',
          ]
            .filter(Boolean)
            .join('; ')}
        </p>
        {w.comment ? <p class="comment">{w.comment}</p> : null}
        <ErrorText text={error} />
      </div>
      {w.may && !w.hidden ? (
        <div class="actions">
          {w.now ? (
            <button aria-label={`End now: ${w.name}`} onClick={() => void act(`End ${w.name} now?`, w.rule ? 'It comes again as it is planned. Alerts that still stand are told.' : 'Alerts that still stand are told.', 'End it', () => endWindow(w.id), `The maintenance ${w.name} is ended.`)}>
              End now
            </button>
          ) : null}
          {file ? null : (
            <button aria-label={`Delete ${w.name}`} onClick={() => void act(`Delete ${w.name}?`, w.now ? 'It ends with that. Alerts that still stand are told.' : '', 'Delete', () => removeWindow(w.id), `The maintenance ${w.name} is deleted.`)}>
              Delete
            </button>
          )}
        </div>
      ) : null}
    </li>
  );
}
