// How a maintenance is planned.

import { useId, useState } from 'preact/hooks';
import { useApp } from '../app';
import { Dialog, toast } from '../ui/dialog';
import { AreaField, CheckField, Form, SelectField, Submit, TextField, useAction } from '../ui/form';
import { readSpan } from '../ui/when';
import { addWindow } from './api';
import { type Day, type Frequency, type Repeat, dayNames, dayOf, days, inZone, nths, ownZone, ruleOf, ruleText, wallIn, zones } from './rule';

const frequencies: readonly (readonly [value: Frequency, text: string])[] = [
  ['once', 'Once'],
  ['daily', 'Daily'],
  ['weekly', 'Weekly'],
  ['monthly-day', 'Monthly, on a date'],
  ['monthly-weekday', 'Monthly, on a day of the week'],
  ['own', 'A rule of RFC 5545'],
];

const lengths: readonly (readonly [value: string, text: string])[] = [
  ['30m', '30 minutes'],
  ['1h', 'an hour'],
  ['2h', 'two hours'],
  ['4h', 'four hours'],
  ['8h', 'eight hours'],
  ['1d', 'a day'],
  ['own', 'other…'],
];

const ahead: readonly (readonly [value: string, text: string])[] = [
  ['', 'not announced'],
  ['15m', '15 minutes'],
  ['1h', 'an hour'],
  ['4h', 'four hours'],
  ['1d', 'a day'],
  ['7d', 'a week'],
];

/** Plan asks for a window: of these nodes, and from now on when soon says so. */
export function Plan({ at, soon, onClose, onDone }: { at: string; soon?: boolean; onClose: () => void; onDone: () => void }) {
  const app = useApp();
  const list = useId();
  const [zone, setZone] = useState(app.prefs.zone === 'utc' ? 'UTC' : ownZone);
  const [name, setName] = useState('');
  const [paths, setPaths] = useState(at);
  const [begins, setBegins] = useState<'now' | 'later'>(soon ? 'now' : 'later');
  const [start, setStart] = useState(() => wallIn(Math.ceil(app.now() / 3_600_000) * 3_600_000, zone));
  const [length, setLength] = useState('1h');
  const [own, setOwn] = useState('3h30m');
  const [repeat, setRepeat] = useState<Repeat>({ frequency: 'once', every: 1, days: [dayOf(start)], day: Number(start.slice(8, 10)), nth: 1, weekday: 'SU', until: '', own: 'FREQ=WEEKLY;INTERVAL=2;BYDAY=TU' });
  const [comment, setComment] = useState('');
  const [announce, setAnnounce] = useState('');
  const [wrong, setWrong] = useState<Readonly<Record<string, string>>>({});
  const action = useAction();
  const change = (part: Partial<Repeat>) => setRepeat((r) => ({ ...r, ...part }));
  const duration = length === 'own' ? own.replace(/\s+/g, '') : length;
  const rule = begins === 'now' ? '' : ruleOf(repeat);
  const send = async () => {
    const at = paths.split('\n').map((p) => p.trim()).filter(Boolean);
    const when = begins === 'now' ? undefined : inZone(start, zone);
    const errors: Record<string, string> = {};
    if (name.trim() === '') errors.name = 'Say what is done: it stands with every alert that is held back.';
    if (at.length === 0 || at.some((p) => !p.startsWith('/'))) errors.at = 'Each line is a path, which begins with /.';
    if (when !== undefined && Number.isNaN(when)) errors.start = zones().includes(zone) ? 'Say when it begins.' : 'No time zone has this name.';
    if (Number.isNaN(readSpan(duration))) errors.for = 'Write it such as 90m, 3h30m or 2d.';
    setWrong(errors);
    if (Object.keys(errors).length > 0) return;
    const made = await action.run(() =>
      addWindow({
        name: name.trim(),
        at,
        ...(when === undefined ? {} : { start: new Date(when).toISOString() }),
        for: duration,
        ...(rule ? { rule } : {}),
        zone,
        ...(comment.trim() ? { comment: comment.trim() } : {}),
        ...(announce && begins === 'later' ? { announce } : {}),
      }),
    );
    if (!made) return;
    toast(`The maintenance ${name.trim()} is planned.`);
    onDone();
    onClose();
  };
  return (
    <Dialog wide title={soon ? 'Maintain now' : 'Plan a maintenance'} onClose={onClose}>
      <Form
        class="planning"
        onSend={() => void send()}
        error={action.error}
        actions={
          <>
            <button type="button" onClick={onClose}>
              Cancel
            </button>
            <Submit busy={action.busy}>{begins === 'now' ? 'Begin now' : 'Plan it'}</Submit>
          </>
        }
      >
        <TextField label="What is done" value={name} onValue={setName} error={wrong.name} maxLength={128} autofocus autocomplete="off" placeholder="backup of the shop" />
        <AreaField label="Where" value={paths} onValue={setPaths} error={wrong.at} rows={2} hint="A path on each line: these nodes and everything below them. Checks go on; nobody is told." />
        <div class="pair">
          <SelectField label="Begins" value={begins} onValue={(b) => setBegins(b as 'now' | 'later')} options={[['now', 'now'], ['later', 'at…']]} />
          <SelectField label="Lasts" value={length} onValue={setLength} options={lengths} error={length === 'own' ? undefined : wrong.for} />
        </div>
        {length === 'own' ? <TextField label="How long" value={own} onValue={setOwn} error={wrong.for} hint="Such as 90m, 3h30m or 2d." maxLength={32} autocomplete="off" /> : null}
        {begins === 'later' ? (
          <>
            <div class="pair">
              <TextField label="Start" type="datetime-local" value={start} onValue={setStart} error={wrong.start} />
              <TextField label="By the clock of" value={zone} onValue={setZone} list={list} autocomplete="off" maxLength={64} />
              <datalist id={list}>
                {zones().map((z) => (
                  <option key={z} value={z} />
                ))}
              </datalist>
            </div>
            <SelectField label="Repeats" value={repeat.frequency} onValue={(f) => change({ frequency: f as Frequency })} options={frequencies} />
            <RepeatFields repeat={repeat} change={change} />
            {rule ? (
              <p class="hint" role="status">
                {ruleText(rule)}, at {start.slice(11)} {zone}
              </p>
            ) : null}
            <SelectField label="Announced ahead" value={announce} onValue={setAnnounce} options={ahead} hint="Who is told of alerts there is told that it is near, begins and ends." />
          </>
        ) : null}
        <AreaField label="Comment" value={comment} onValue={setComment} rows={2} maxLength={1024} />
      </Form>
    </Dialog>
  );
}

function RepeatFields({ repeat: r, change }: { repeat: Repeat; change: (part: Partial<Repeat>) => void }) {
  if (r.frequency === 'once') return null;
  if (r.frequency === 'own') return <TextField label="Rule" value={r.own} onValue={(own) => change({ own })} class="code" maxLength={256} autocomplete="off" />;
  const unit = { daily: 'days', weekly: 'weeks', 'monthly-day': 'months', 'monthly-weekday': 'months' }[r.frequency];
  return (
    <>
      {r.frequency === 'weekly' ? (
        <fieldset class="week">
          <legend>On</legend>
          {days.map((d: Day) => (
            <CheckField key={d} label={dayNames[d]} checked={r.days.includes(d)} onValue={(yes) => change({ days: days.filter((o) => (o === d ? yes : r.days.includes(o))) })} />
          ))}
        </fieldset>
      ) : null}
      {r.frequency === 'monthly-day' ? (
        <SelectField label="On the" value={String(r.day)} onValue={(d) => change({ day: Number(d) })} options={[...Array.from({ length: 31 }, (_, i) => [String(i + 1), `day ${i + 1}`] as const), ['-1', 'last day'] as const]} />
      ) : null}
      {r.frequency === 'monthly-weekday' ? (
        <div class="pair">
          <SelectField label="On the" value={String(r.nth)} onValue={(n) => change({ nth: Number(n) })} options={nths} />
          <SelectField label="Day" value={r.weekday} onValue={(d) => change({ weekday: d as Day })} options={days.map((d) => [d, dayNames[d]] as const)} />
        </div>
      ) : null}
      <div class="pair">
        <TextField label={`Every so many ${unit}`} type="number" min={1} max={99} value={String(r.every)} onValue={(n) => change({ every: Math.max(1, Math.min(99, Math.floor(Number(n)) || 1)) })} />
        <TextField label="Until" type="date" value={r.until} onValue={(until) => change({ until })} hint="Empty: for good." />
      </div>
    </>
  );
}
