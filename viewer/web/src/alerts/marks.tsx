// How an alert is drawn wherever it stands: its status with shape, colour and word, its
// state, and since when.

import { useNow } from '../app';
import { type Shown, age, moment, plural, show } from '../format';
import { names } from '../path';
import { Icon, type IconName, Mark } from '../ui/marks';
import { statusWords } from '../wire';
import { type Alert, type State, markOf } from './api';

export const stateIcons: Record<State, IconName> = { open: 'bell', acknowledged: 'check', suppressed: 'muted', resolved: 'close' };

/** kindWords say what an alert is about, besides its status. */
export const kindWords: Record<Alert['kind'], string> = { status: 'status', silence: 'silent', missing: 'missing' };

/** Grave is the status of an alert and how grave it is. */
export function Grave({ alert: a }: { alert: Alert }) {
  const status = markOf(a);
  return (
    <>
      <Mark status={status} />
      <span class="grave">
        <span class="word">{a.kind === 'status' ? statusWords[status] : kindWords[a.kind]}</span>
        <span class="soft">{a.severity}</span>
      </span>
    </>
  );
}

/** Since says for how long an alert is there, ticking; of one that is over, when it ended. */
export function Since({ alert: a, now }: { alert: Alert; now: number }) {
  const opened = Date.parse(a.opened);
  const ended = a.resolved ? Date.parse(a.resolved) : undefined;
  return (
    <time title={ended === undefined ? `since ${moment(opened)}` : `from ${moment(opened)} to ${moment(ended)}`}>
      {ended === undefined ? age(now - opened) : moment(ended, now)}
    </time>
  );
}

/** Place writes the path of an alert short: the name, and behind it what is above. */
export function Place({ alert: a }: { alert: Alert }) {
  const way = names(a.path);
  return (
    <>
      <b>{way.at(-1) ?? 'The whole tree'}</b>
      <span class="above" title={a.path}>
        {way.slice(0, -1).join(' / ')}
      </span>
    </>
  );
}

/** StateText says where an alert stands, and who or what made it so. */
export function StateText({ alert: a }: { alert: Alert }) {
  const ack = a.acknowledgement;
  const s = a.suppression;
  return (
    <span class={`alert-state ${a.state}`}>
      <Icon name={stateIcons[a.state]} />
      <span>
        {a.state === 'acknowledged' && ack?.by ? (
          <>
            acknowledged by <b>{ack.by}</b>
          </>
        ) : a.state === 'suppressed' ? (
          (reasons[s?.reason ?? 'parent'] ?? 'suppressed')
        ) : (
          a.state
        )}
      </span>
    </span>
  );
}

const reasons: Record<string, string> = {
  parent: 'a consequence',
  dependency: 'a consequence',
  whole: 'part of a whole',
  maintenance: 'in maintenance',
  twin: 'told by another manager',
};

const number = /^[+-]?\d+(\.\d+)?(e[+-]?\d+)?$/i;

/** valueOf is the observed value as people read it: numbers as elsewhere on the page. */
export function valueOf(a: Pick<Alert, 'value' | 'unit'>): Shown {
  const { value = '', unit = '' } = a;
  return number.test(value) ? show(Number(value), unit) : { number: value, unit };
}

/** thresholdOf is the threshold in the same way: "< 1e+08" of bytes is "< 95.4 MiB". */
export function thresholdOf(a: Pick<Alert, 'threshold' | 'unit'>): string {
  const [, sign = '', limit = ''] = /^(\S+) (\S+)$/.exec(a.threshold ?? '') ?? [];
  if (!number.test(limit)) return a.threshold ?? '';
  const shown = show(Number(limit), a.unit);
  return `${sign} ${shown.number} ${shown.unit}`.trim();
}

/** Notes are marks that say what else is special. */
export function Notes({ alert: a }: { alert: Alert }) {
  return (
    <>
      {a.flapping ? (
        <span class="note" title="Its status goes to and fro: this is one alert until it is calm">
          flapping
        </span>
      ) : null}
      {a.count > 1 ? (
        <span class="note" title={`It turned bad ${plural(a.count, 'time')}`}>
          {a.count}×
        </span>
      ) : null}
    </>
  );
}

/** useSecond gives the present second, for lists whose ages tick. */
export function useSecond(): number {
  return Math.floor(useNow() / 1000) * 1000;
}
