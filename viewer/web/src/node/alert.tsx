// What there is to say of alerts at a node: the one that is open, why nobody is told, what
// follows below, and when it is maintained.

import { useState } from 'preact/hooks';
import { Acts } from '../alerts/acts';
import { type Alert, fetchAlerts, markOf, mayAct } from '../alerts/api';
import { Notes, Since, StateText } from '../alerts/marks';
import { useFresh } from '../alerts/reading';
import { type App, type Params, useApp, useNow } from '../app';
import { duration, moment } from '../format';
import { covers, fetchWindows } from '../maintenance/api';
import { Plan } from '../maintenance/form';
import { readList, writeList } from '../route';
import { maySomewhere } from '../session';
import { Icon, Mark } from '../ui/marks';

const looked = 200;

export function NodeAlerts({ path, group }: { path: string; group: boolean }) {
  const app = useApp();
  const now = useNow();
  const { value, error, again } = useFresh(path, (signal) => fetchAlerts({ under: path, limit: looked }, signal));
  const windows = useFresh(`maintenance ${path}`, fetchWindows);
  const [planning, plan] = useState(false);
  const alerts = value?.alerts ?? [];
  const own = alerts.filter((a) => a.path === path);
  const below = alerts.filter((a) => a.path !== path && a.state !== 'suppressed').length;
  const about = (windows.value ?? []).filter((w) => covers(w, path));
  const running = about.filter((w) => w.now);
  const next = about.filter((w) => !w.now && w.next).sort((a, b) => Date.parse(a.next!.start) - Date.parse(b.next!.start))[0];
  const operator = maySomewhere(app.session, 'operator');
  return (
    <section class="node-alerts" aria-label="Alerts">
      <div class="section-head">
        <h3>Alerts</h3>
      </div>
      {error ? <p class="trouble">{error}</p> : null}
      {own.map((a) => (
        <Own key={a.id} alert={a} now={now} again={again} />
      ))}
      {value && own.length === 0 ? <p class="soft">{group ? 'The group itself has no alert.' : 'No alert is open here.'}</p> : null}
      {group && below > 0 ? (
        <a href={app.href('alerts', path === '/' ? {} : { in: path })}>
          {below >= looked - own.length ? `${looked} alerts or more` : below === 1 ? '1 alert' : `${below} alerts`} below
        </a>
      ) : null}
      {running.map((w) => (
        <p key={w.id} class="maintained">
          <Icon name="wrench" /> <b>In maintenance:</b> {w.name}, until {moment(Date.parse(w.now!.end), now)}, {duration(Date.parse(w.now!.end) - now)} more
        </p>
      ))}
      {running.length === 0 && next ? (
        <p class="soft">
          Next maintenance: {next.name}, {moment(Date.parse(next.next!.start), now)}, for {next.for}
        </p>
      ) : null}
      <div class="actions">
        {operator ? (
          <button onClick={() => plan(true)}>
            <Icon name="wrench" /> Maintain for…
          </button>
        ) : null}
        <a class="button" href={app.href('what-if', supposing(app, path))}>
          <Icon name="what" /> What if it were red?
        </a>
      </div>
      {planning ? <Plan soon at={path} onClose={() => plan(false)} onDone={windows.again} /> : null}
    </section>
  );
}

/** supposing is the choice of the page “What if” with a node that is red; what was chosen there stays. */
function supposing(app: App, path: string): Params {
  const { page, params } = app.route;
  if (page !== 'what-if') return { red: writeList([path]) };
  return { ...params, red: writeList([...new Set([...readList(params.red ?? ''), path])]) };
}

function Own({ alert: a, now, again }: { alert: Alert; now: number; again: () => void }) {
  const app = useApp();
  return (
    <div class={`own-alert ${a.state}`}>
      <p>
        <Mark status={markOf(a)} label={a.status} />{' '}
        <a href={app.href('alerts', { alert: a.id })} title={a.message}>
          {a.severity}
        </a>{' '}
        for <Since alert={a} now={now} /> <Notes alert={a} />
      </p>
      <p>
        <StateText alert={a} />
      </p>
      {a.suppression ? <p class="why">Nobody is told: {a.suppression.text}</p> : null}
      {a.acknowledgement?.comment ? <p class="why">{a.acknowledgement.comment}</p> : null}
      {mayAct(app.session, a) ? (
        <div class="actions">
          <Acts alerts={[a]} onDone={again} />
        </div>
      ) : null}
    </div>
  );
}
