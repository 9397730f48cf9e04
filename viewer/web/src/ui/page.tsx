// The page: header, tools, notices, tree and details.

import { useEffect, useReducer, useRef, useState } from 'preact/hooks';
import type { Feed } from '../feed';
import { isOn, noFilter } from '../filter';
import { clock, duration, figures, plural } from '../format';
import type { Store } from '../store';
import { type Theme, keepTheme, readTheme } from '../theme';
import { none } from '../tree';
import { Green, Red, White, Yellow, statusWords } from '../wire';
import { Details } from './details';
import { Grid } from './grid';
import { Icon, Logo, Mark } from './marks';

export function Page({ store, feed }: { store: Store; feed: Feed }) {
  const [, draw] = useReducer((n: number) => n + 1, 0);
  const search = useRef<HTMLInputElement>(null);
  useEffect(() => store.subscribe(() => draw(undefined)), [store]);
  useEffect(() => {
    const keys = (event: KeyboardEvent) => {
      const typing = event.target instanceof HTMLInputElement;
      if (event.key === '/' && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
        event.preventDefault();
        search.current?.focus();
        search.current?.select();
      }
    };
    addEventListener('keydown', keys);
    return () => removeEventListener('keydown', keys);
  }, []);

  const { tree, overall } = store;
  const red = tree.root === none ? 0 : tree.count(tree.root, Red);
  const yellow = tree.root === none ? 0 : tree.count(tree.root, Yellow);
  const known = store.loaded && tree.root !== none;
  const live = store.link.state === 'live';
  useEffect(() => {
    const counts = [red && `${red} red`, yellow && `${yellow} yellow`].filter(Boolean).join(', ');
    document.title = !live && known ? 'Not live – Grove' : counts ? `${counts} – Grove` : 'Grove';
    document.getElementById('icon')?.setAttribute('href', `icon-${statusWords[live ? overall : White]}.svg`);
  }, [red, yellow, overall, live, known]);

  return (
    <div class={`page${store.selectedPath !== undefined ? ' with-details' : ''}${live || !store.loaded ? '' : ' stale'}`}>
      <header class="top">
        <h1>
          <Logo />
          Grove
        </h1>
        {known ? <Overall store={store} red={red} yellow={yellow} /> : null}
        <Connection store={store} feed={feed} />
        <ThemeButton />
      </header>
      <Tools store={store} search={search} />
      <Notices store={store} feed={feed} />
      <main>
        <Grid store={store} />
        <Nothing store={store} feed={feed} />
      </main>
      {store.selectedPath !== undefined ? (
        <>
          <button class="backdrop" onClick={() => store.closeDetails()} tabIndex={-1} aria-hidden="true" />
          <Details store={store} />
        </>
      ) : null}
      <div class="hidden" aria-live="polite" role="status">
        {store.announcement}
      </div>
    </div>
  );
}

function Overall({ store, red, yellow }: { store: Store; red: number; yellow: number }) {
  const word = statusWords[store.overall];
  const problems = red + yellow;
  return (
    <button class={`overall ${word}`} onClick={() => store.show('/')} title="Details of the whole tree">
      <Mark status={store.overall} size={20} />
      <span class="word">{word}</span>
      <span class="sum">{problems === 0 ? 'no problems' : plural(problems, 'problem')}</span>
    </button>
  );
}

function Connection({ store, feed }: { store: Store; feed: Feed }) {
  const { link } = store;
  const wait = Math.max(0, Math.ceil((link.retryAt - Date.now()) / 1000));
  if (link.state === 'live') {
    return (
      <p class="connection live" title={link.server}>
        <span class="dot" aria-hidden="true" />
        Live <time>{clock(store.updatedAt || Date.now())}</time>
      </p>
    );
  }
  return (
    <p class="connection away">
      <span class="dot" aria-hidden="true" />
      {link.state === 'connecting' ? (link.tries > 0 ? 'Reconnecting…' : 'Connecting…') : `Reconnecting in ${wait} s`}
      {link.state === 'waiting' && !store.loaded ? (
        <button class="link" onClick={feed.retry}>
          now
        </button>
      ) : null}
    </p>
  );
}

const themes: readonly Theme[] = ['system', 'light', 'dark'];

function ThemeButton() {
  const [theme, setTheme] = useState(readTheme);
  const next = themes[(themes.indexOf(theme) + 1) % themes.length]!;
  return (
    <button
      class="plain theme"
      aria-label={`Theme: ${theme}`}
      title={`Theme: ${theme}. Next: ${next}.`}
      onClick={() => {
        keepTheme(next);
        setTheme(next);
      }}
    >
      <Icon name={theme} />
    </button>
  );
}

function Tools({ store, search }: { store: Store; search: { current: HTMLInputElement | null } }) {
  const { tree, rows, filter } = store;
  const count = (s: 0 | 1 | 2 | 3) => (tree.root === none ? 0 : tree.count(tree.root, s));
  return (
    <div class="tools" role="search">
      <label class="search">
        <Icon name="search" />
        <span class="hidden">Filter by name</span>
        <input
          ref={search}
          type="search"
          placeholder="Filter by name"
          autocomplete="off"
          spellcheck={false}
          value={filter.text}
          onInput={(e) => store.setFilter({ ...filter, text: e.currentTarget.value })}
          onKeyDown={(e) => {
            if (e.key === 'Escape') store.setFilter({ ...filter, text: '' });
            else if ((e.key === 'ArrowDown' || e.key === 'Enter') && rows.length > 0) {
              e.preventDefault();
              let first = 0;
              while (first < rows.length - 1 && rows.filtering && !rows.matches.isHit(rows.node[first]!)) first++;
              store.focusOn(rows.node[first]!);
            }
          }}
        />
        <kbd aria-hidden="true">/</kbd>
      </label>
      <div class="chips" role="group" aria-label="Filter by status">
        {([Red, Yellow, White, Green] as const).map((s) => (
          <button key={s} class={`chip ${statusWords[s]}`} aria-pressed={filter.statuses.has(s)} onClick={() => store.toggleStatus(s)}>
            <Mark status={s} size={12} />
            <span class="n">{figures(count(s))}</span> {statusWords[s]}
          </button>
        ))}
      </div>
      {isOn(filter) ? (
        <p class="hits" role="status">
          {plural(rows.matches.hits, 'match', 'matches')}
          <button class="link" onClick={() => store.setFilter(noFilter)}>
            Clear
          </button>
        </p>
      ) : null}
      <div class="buttons">
        <button onClick={() => store.openProblems()} disabled={count(Red) + count(Yellow) === 0}>
          <Icon name="target" />
          <span>Expand to problems</span>
        </button>
        <button onClick={() => store.openAll(true)} aria-label="Expand all" title="Expand all">
          <Icon name="expand" />
        </button>
        <button onClick={() => store.openAll(false)} aria-label="Collapse all" title="Collapse all">
          <Icon name="collapse" />
        </button>
      </div>
    </div>
  );
}

function Notices({ store, feed }: { store: Store; feed: Feed }) {
  const { link, definitionErrors: errors } = store;
  const away = store.loaded && link.state !== 'live' && Date.now() - store.aliveAt > 1500;
  return (
    <div class="notices">
      {away ? (
        <p class="notice away" role="alert">
          <b>Not live.</b>
          <span>
            This is the tree as of {clock(store.updatedAt)}, {duration(store.now() - store.updatedAt)} ago.{' '}
            {link.tries > 2 ? 'Is grove still running, and can this machine reach it?' : 'Grove does not answer at the moment.'}
          </span>
          <button onClick={feed.retry} disabled={link.state === 'connecting'}>
            Try now
          </button>
        </p>
      ) : null}
      {errors.length > 0 ? (
        <details class="notice">
          <summary>
            <Icon name="info" />
            <b>{plural(errors.length, 'error')} in the definitions.</b>
            <span>What was good before is kept. Mend the file and it is read again.</span>
          </summary>
          <ul>
            {errors.slice(0, 50).map((e, i) => (
              <li key={i}>
                <code>{[e.file, e.line, e.column].filter((part) => part !== undefined && part !== '').join(':')}</code> {e.message}
              </li>
            ))}
          </ul>
          {errors.length > 50 ? <p>and {errors.length - 50} more: grove check prints them all.</p> : null}
        </details>
      ) : null}
    </div>
  );
}

/** Nothing says why there are no rows and what to do. */
function Nothing({ store, feed }: { store: Store; feed: Feed }) {
  const { link, rows } = store;
  if (store.refusal) {
    return (
      <div class="nothing">
        <h2>The server does not give the tree</h2>
        <p>{store.refusal}</p>
      </div>
    );
  }
  if (!store.loaded) {
    if (link.tries < 2) return <div class="nothing calm">{link.tries === 0 ? 'Loading the tree…' : 'Connecting…'}</div>;
    return (
      <div class="nothing">
        <h2>No connection to Grove</h2>
        <p>
          Nothing answers at <code>{location.host}</code>. Is <code>grove serve</code> running there? If a proxy stands between, it must let
          websockets through to <code>/api/v1/live</code>.
        </p>
        <button onClick={feed.retry}>Try now</button>
      </div>
    );
  }
  if (rows.length > 0) return null;
  if (rows.filtering) {
    const statuses = [...store.filter.statuses].map((s) => statusWords[s]).join(' or ');
    return (
      <div class="nothing">
        <h2>Nothing matches</h2>
        <p>
          No node {statuses ? `that is ${statuses} ` : ''}
          {store.filter.text.trim() ? `has “${store.filter.text.trim()}” in its name` : statuses ? 'is there at the moment' : ''}.
        </p>
        <button onClick={() => store.setFilter(noFilter)}>Show the whole tree</button>
      </div>
    );
  }
  return (
    <div class="nothing">
      <h2>The tree is empty</h2>
      <p>
        Put a definition or an instance into the definitions folder of this server (<code>grove serve --definitions DIR</code>); it is read at
        once. <code>grove check FILE</code> says what is wrong with one that does not show.
      </p>
    </div>
  );
}
