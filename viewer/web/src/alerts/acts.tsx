// What somebody does with alerts: he acknowledges them, says something, or ends them by
// hand; and what came of it, alert by alert.

import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { useApp } from '../app';
import { plural } from '../format';
import { Dialog, toast } from '../ui/dialog';
import { AreaField, CheckField, Form, SelectField, Submit, TextField, useAction } from '../ui/form';
import { Icon } from '../ui/marks';
import { fieldTime, readField } from '../ui/when';
import { type Act, type Alert, type Result, act } from './api';

const hour = 3_600_000;
/** At most so many are sent at once. */
const batch = 500;

const words: Record<Act, { title: string; button: string; done: string; comment: string }> = {
  acknowledge: { title: 'Acknowledge', button: 'Acknowledge', done: 'acknowledged', comment: 'What you know, or do about it' },
  unacknowledge: { title: 'Take back the acknowledgement of', button: 'Take it back', done: 'not acknowledged any more', comment: 'Why' },
  comment: { title: 'Say something about', button: 'Say it', done: 'commented', comment: 'Comment' },
  resolve: { title: 'Resolve', button: 'Resolve', done: 'resolved', comment: 'Why it is over' },
};

const spans: readonly (readonly [value: string, text: string])[] = [
  ['', 'no end'],
  ['1', 'an hour'],
  ['4', 'four hours'],
  ['8', 'eight hours'],
  ['24', 'a day'],
  ['168', 'a week'],
  ['own', 'until…'],
];

/** Acts are the buttons for some alerts; small: with marks alone on the phone. */
export function Acts({ alerts, onDone }: { alerts: readonly Alert[]; onDone: () => void }) {
  const [asked, ask] = useState<Act | undefined>();
  const live = alerts.filter((a) => a.state !== 'resolved');
  const acked = live.filter((a) => a.acknowledgement !== undefined);
  const button = (what: Act, text: ComponentChildren, list: readonly Alert[], primary = false) =>
    list.length > 0 ? (
      <button class={primary ? 'primary' : ''} onClick={() => ask(what)}>
        {text}
      </button>
    ) : null;
  const fresh = live.filter((a) => a.acknowledgement === undefined);
  return (
    <>
      {button('acknowledge', <><Icon name="check" /> Acknowledge…</>, fresh, true)}
      {button('unacknowledge', 'Unacknowledge…', acked)}
      {button('comment', 'Comment…', alerts)}
      {button('resolve', 'Resolve…', live)}
      {asked ? <ActDialog what={asked} alerts={asked === 'unacknowledge' ? acked : asked === 'acknowledge' ? fresh : asked === 'resolve' ? live : alerts} onClose={() => ask(undefined)} onDone={onDone} /> : null}
    </>
  );
}

/** ActDialog asks for what belongs to a change, does it, and shows what came of it. */
export function ActDialog({ what, alerts, onClose, onDone }: { what: Act; alerts: readonly Alert[]; onClose: () => void; onDone: () => void }) {
  const app = useApp();
  const utc = app.prefs.zone === 'utc';
  const [comment, setComment] = useState('');
  const [sticky, setSticky] = useState(false);
  const [span, setSpan] = useState('');
  const [own, setOwn] = useState(() => fieldTime(app.now() + 4 * hour, utc));
  const [results, setResults] = useState<readonly Result[]>([]);
  const action = useAction();
  const text = words[what];
  const [only] = alerts;
  const about = alerts.length === 1 && only ? only.path : plural(alerts.length, 'alert');
  const send = () =>
    action.run(async () => {
      const until = span === '' ? NaN : span === 'own' ? readField(own, utc) : app.now() + Number(span) * hour;
      if (span === 'own' && Number.isNaN(until)) throw new Error('Say until when, or choose another end.');
      const all: Result[] = [];
      for (let from = 0; from < alerts.length; from += batch) {
        const body = {
          ids: alerts.slice(from, from + batch).map((a) => a.id),
          ...(comment.trim() ? { comment: comment.trim() } : {}),
          ...(what === 'acknowledge' ? { sticky, ...(Number.isNaN(until) ? {} : { until: new Date(until).toISOString() }) } : {}),
        };
        all.push(...(await act(what, body)));
      }
      onDone();
      if (all.some((r) => r.error)) setResults(all);
      else {
        toast(`${about} ${alerts.length === 1 ? 'is' : 'are'} ${text.done}.`);
        onClose();
      }
    });
  if (results.length > 0) return <Results results={results} alerts={alerts} done={text.done} onClose={onClose} />;
  return (
    <Dialog title={`${text.title} ${about}${what === 'unacknowledge' || what === 'resolve' ? '?' : ''}`} onClose={onClose}>
      <Form
        onSend={() => void send()}
        error={action.error}
        actions={
          <>
            <button type="button" onClick={onClose}>
              Cancel
            </button>
            <Submit busy={action.busy} danger={what === 'resolve'} disabled={what === 'comment' && comment.trim() === ''}>
              {text.button}
            </Submit>
          </>
        }
      >
        {what === 'resolve' ? <p class="soft">Grove resolves an alert by itself when its node is well. One that is resolved by hand and stays bad opens anew when its status changes.</p> : null}
        <AreaField label={text.comment} value={comment} onValue={setComment} maxLength={1024} autofocus rows={2} />
        {what === 'acknowledge' ? (
          <>
            <CheckField label="Also when it gets worse" hint="Otherwise the acknowledgement ends when the alert gets worse." checked={sticky} onValue={setSticky} />
            <SelectField label="For" value={span} onValue={setSpan} options={spans} />
            {span === 'own' ? <TextField label={`Until${utc ? ' (UTC)' : ''}`} type="datetime-local" value={own} onValue={setOwn} /> : null}
          </>
        ) : null}
      </Form>
    </Dialog>
  );
}

/** Results say of each alert whether it was done, and why not. */
function Results({ results, alerts, done, onClose }: { results: readonly Result[]; alerts: readonly Alert[]; done: string; onClose: () => void }) {
  const paths = new Map(alerts.map((a) => [a.id, a.path]));
  const failed = results.filter((r) => r.error);
  return (
    <Dialog wide title={`${plural(failed.length, 'alert')} of ${results.length} could not be changed`} onClose={onClose}>
      <ul class="act-results">
        {[...failed, ...results.filter((r) => !r.error)].map((r) => (
          <li key={r.id}>
            <code>{paths.get(r.id) ?? r.id}</code> {r.error ? <span class="wrong">{r.error}</span> : <span class="soft">is {done}</span>}
          </li>
        ))}
      </ul>
      <div class="actions">
        <button type="button" autofocus onClick={onClose}>
          Close
        </button>
      </div>
    </Dialog>
  );
}
