// The frame around every page: navigation, header, notices, the page itself and the
// panel of a node beside it.

import { Component, type ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { UserMenu } from '../account/menu';
import { useApp, useNow } from '../app';
import { clock, duration, figures, plural } from '../format';
import { useLive } from '../live';
import { NodePanel } from '../node';
import { pages } from '../pages';
import { Green, Red, type Status, White, Yellow, statusWords } from '../wire';
import { Icon, Logo, Mark } from './marks';
import { Navigation } from './nav';
import { TimeBar } from './timebar';

/** A break is told only when it lasts longer than a blink. */
const breakMs = 1500;

export function Frame() {
  const app = useApp();
  const page = pages.find((p) => p.name === app.route.page);
  const [travel, setTravel] = useState(false);
  const last = useRef(page);
  useEffect(() => {
    // Whoever opens a page reads on in it.
    if (last.current !== page && !page?.bare) document.getElementById('main')?.focus();
    last.current = page;
  }, [page]);
  if (app.session === undefined && app.feed.link.tries === 0) return null;
  if (page?.bare) {
    return (
      <Guarded key={page.name} of={page.name}>
        <page.view />
      </Guarded>
    );
  }
  const { node, at } = app.route;
  const away = app.feed.link.state !== 'live';
  return (
    <div class={`frame${node === undefined ? '' : ' with-panel'}${away ? ' stale' : ''}${at === undefined ? '' : ' past'}`}>
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault(); // the address belongs to the pages
          document.getElementById('main')?.focus();
        }}
      >
        Skip to the content
      </a>
      <Header travel={travel || at !== undefined} onTravel={() => setTravel(!travel)} />
      <Navigation />
      <div class="past-area">{travel || at !== undefined ? <TimeBar present={page?.present === true} onClose={() => setTravel(false)} /> : null}</div>
      <Away />
      <main id="main" tabIndex={-1} aria-label={page?.title}>
        {page === undefined ? (
          <NoPage />
        ) : (
          <Guarded key={page.name} of={page.name}>
            <page.view />
          </Guarded>
        )}
      </main>
      {node === undefined ? null : <Panel path={node} />}
      <div class="hidden" aria-live="polite" role="status">
        {app.announcement}
      </div>
    </div>
  );
}

function Header({ travel, onTravel }: { travel: boolean; onTravel: () => void }) {
  const app = useApp();
  const { tree, loaded } = useLive({ path: '/', depth: 0 });
  const known = loaded && tree.root >= 0;
  const count = (s: Status) => (known ? tree.count(tree.root, s) : 0);
  const [red, yellow] = [count(Red), count(Yellow)];
  const overall = known ? tree.statusOf(tree.root) : White;
  const hidden = known && tree.hidden(tree.root);
  const sum = red + yellow > 0 ? plural(red + yellow, 'problem') + (hidden ? ' and hidden ones' : '') : overall === Green ? 'no problems' : hidden ? 'problems that you may not see' : '';
  const live = app.feed.link.state === 'live';
  const { at } = app;
  const open = live && app.alerts.known ? (app.alerts.counts.open ?? 0) : 0;
  useEffect(() => {
    const counts = [red && `${red} red`, yellow && `${yellow} yellow`].filter(Boolean).join(', ');
    document.title = `${!live && known ? 'Not live – ' : at !== undefined ? 'The past – ' : `${open > 0 ? `(${figures(open)}) ` : ''}${counts ? `${counts} – ` : ''}`}Grove`;
    document.getElementById('icon')?.setAttribute('href', `icon-${statusWords[live ? overall : White]}${open > 0 ? '-alert' : ''}.svg`);
  }, [red, yellow, overall, live, known, at, open]);
  const told = useRef(Infinity);
  useEffect(() => {
    // The page of the tree tells its own changes, by name.
    if (known && red > told.current && at === undefined && app.route.page !== 'tree') app.announce(`${plural(red, 'node')} red, ${plural(yellow, 'node')} yellow.`);
    told.current = known ? red : Infinity;
  }, [red, known]);
  return (
    <header class="top">
      <a class="brand" href={app.href('tree', {})}>
        <Logo />
        <span>Grove</span>
      </a>
      {known ? (
        <button class={`overall ${statusWords[overall]}`} onClick={() => app.showNode('/')} title="Details of the whole tree">
          <Mark status={overall} size={20} />
          <span class="word">{statusWords[overall]}</span>
          <span class="sum">{sum}</span>
        </button>
      ) : null}
      <Connection />
      <button class="plain" aria-pressed={travel} disabled={app.at !== undefined} aria-label="Time travel" title="Time travel: how everything was" onClick={onTravel}>
        <Icon name="clock" />
      </button>
      <UserMenu />
    </header>
  );
}

function Connection() {
  const app = useApp();
  useNow();
  const { link } = app.feed;
  if (app.at !== undefined) {
    return (
      <p class="connection">Past</p>
    );
  }
  if (link.state === 'live') {
    return (
      <p class="connection live" title={link.server}>
        <span class="dot" aria-hidden="true" />
        Live <time>{clock(app.now())}</time>
      </p>
    );
  }
  const wait = Math.max(0, Math.ceil((link.retryAt - Date.now()) / 1000));
  return (
    <p class="connection away">
      <span class="dot" aria-hidden="true" />
      {link.state === 'connecting' ? (link.tries > 0 ? 'Reconnecting…' : 'Connecting…') : `Reconnecting in ${wait} s`}
    </p>
  );
}

/** Away says that what is shown is not how things are now. */
function Away() {
  const app = useApp();
  useNow();
  const { link } = app.feed;
  const told = link.heardAt > 0 && link.state !== 'live' && Date.now() - link.heardAt > breakMs;
  return (
    <div class="notices">
      {told ? (
        <p class="notice away" role="alert">
          <b>Not live.</b>
          <span>
            This is how things were at {clock(link.time)}, {duration(app.now() - link.time)} ago.{' '}
            {link.tries > 2 ? 'Is grove still running, and can this machine reach it?' : 'Grove does not answer at the moment.'}
          </span>
          <button onClick={app.feed.retry} disabled={link.state === 'connecting'}>
            Try now
          </button>
        </p>
      ) : null}
    </div>
  );
}

/** Panel is where the panel of a node stands: beside the page, or on a phone a sheet over it. */
function Panel({ path }: { path: string }) {
  const app = useApp();
  const close = () => app.showNode(undefined);
  return (
    <>
      <button class="backdrop" onClick={close} tabIndex={-1} aria-hidden="true" />
      <aside class="panel" aria-label={`Node ${path}`} onKeyDown={(e) => e.key === 'Escape' && !e.defaultPrevented && close()}>
        <Guarded of={path}>
          <NodePanel path={path} />
        </Guarded>
      </aside>
    </>
  );
}

function NoPage() {
  const app = useApp();
  return (
    <div class="nothing">
      <h1>There is no page “{app.route.page}”</h1>
      <p>The address may be of another version of Grove, or mistyped.</p>
      <a class="button" href={app.href('tree', {})}>
        Show the tree
      </a>
    </div>
  );
}

/** Guarded keeps an error of one part from taking the others with it, until it shows something else. */
class Guarded extends Component<{ of: string; children: ComponentChildren }, { error: unknown }> {
  override state = { error: undefined as unknown };

  override componentDidUpdate(before: { of: string }): void {
    if (before.of !== this.props.of && this.state.error !== undefined) this.setState({ error: undefined });
  }

  override componentDidCatch(error: unknown): void {
    console.error('grove: page:', error);
    this.setState({ error });
  }

  override render() {
    if (this.state.error === undefined) return this.props.children;
    return (
      <div class="nothing">
        <h1>This part of the page broke</h1>
        <p>{String(this.state.error)}</p>
        <button onClick={() => this.setState({ error: undefined })}>Draw it again</button>
      </div>
    );
  }
}
