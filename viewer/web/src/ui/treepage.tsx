// The page of the whole tree: tools above, the treegrid below.

import { useEffect, useReducer, useRef, useState } from 'preact/hooks';
import { useApp } from '../app';
import { isOn, noFilter } from '../filter';
import { figures } from '../format';
import { useBranches } from '../peers/branches';
import { type Sort, sorts } from '../rows';
import { may, nothingSeen } from '../session';
import { Store } from '../store';
import { none } from '../tree';
import { Green, Red, type Status, White, Yellow, statusWords } from '../wire';
import { Grid } from './grid';
import { Icon, Mark } from './marks';

export function TreePage() {
  const app = useApp();
  const [store] = useState(() => new Store(app));
  const [, draw] = useReducer((n: number) => n + 1, 0);
  const search = useRef<HTMLInputElement>(null);
  const branches = useBranches();
  useEffect(() => {
    const unsubscribe = store.subscribe(() => draw(undefined));
    store.start();
    return () => {
      unsubscribe();
      store.stop();
    };
  }, [store]);
  useEffect(() => {
    const keys = (event: KeyboardEvent) => {
      const typing = event.target instanceof HTMLElement && event.target.closest('input, textarea, select, dialog') !== null;
      if (event.key !== '/' || typing || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      search.current?.focus();
      search.current?.select();
    };
    addEventListener('keydown', keys);
    return () => removeEventListener('keydown', keys);
  }, []);
  return (
    <div class="treepage">
      <h1 class="hidden">Tree</h1>
      <Tools store={store} search={search} />
      {store.refusal ? null : <Grid store={store} branches={branches} />}
      <Nothing store={store} />
    </div>
  );
}

const sortWords: Record<Sort, string> = { tree: 'as in the tree', severity: 'worst first', name: 'by name' };

function Tools({ store, search }: { store: Store; search: { current: HTMLInputElement | null } }) {
  const { tree, rows, filter } = store;
  const count = (s: Status) => (store.refusal || tree.root === none ? 0 : tree.count(tree.root, s));
  return (
    <div class="tools" role="search">
      <div class="search">
        <Icon name="search" />
        <input
          ref={search}
          type="search"
          aria-label="Filter by name"
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
        {isOn(filter) ? <Hits store={store} /> : <kbd aria-hidden="true">/</kbd>}
      </div>
      <div class="chips" role="group" aria-label="Filter by status">
        {([Red, Yellow, White, Green] as const).map((s) => (
          <button key={s} class={`chip ${statusWords[s]}`} aria-pressed={filter.statuses.has(s)} onClick={() => store.toggleStatus(s)}>
            <Mark status={s} size={12} />
            <span class="n">{figures(count(s))}</span> {statusWords[s]}
          </button>
        ))}
      </div>
      <div class="buttons">
        <label class="sort">
          <span class="hidden">Order</span>
          <Icon name="sort" />
          <select value={store.sort} onChange={(e) => store.setSort(e.currentTarget.value as Sort)}>
            {sorts.map((s) => (
              <option key={s} value={s}>
                {sortWords[s]}
              </option>
            ))}
          </select>
        </label>
        <button onClick={() => store.openProblems()} disabled={count(Red) + count(Yellow) === 0} title="Expand to problems">
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

/** Hits stands in the field, so that nothing moves when a filter comes and goes. */
function Hits({ store }: { store: Store }) {
  const { hits } = store;
  const all = hits?.all ?? store.rows.matches.hits;
  const some = hits !== undefined && hits.shown < hits.all;
  return (
    <p class="hits">
      <span role="status" title={some ? `The first ${figures(hits.shown)} are shown: one more word finds fewer` : undefined}>
        {some ? `${figures(hits.shown)} of ` : ''}
        {figures(all)}
        <span class="word"> {all === 1 ? 'match' : 'matches'}</span>
      </span>
      <button class="plain" aria-label="Clear the filter" title="Clear the filter" onClick={() => store.setFilter(noFilter)}>
        <Icon name="close" />
      </button>
    </p>
  );
}

/** Nothing says why there are no rows and what to do. */
function Nothing({ store }: { store: Store }) {
  const { rows } = store;
  const { feed } = store.app;
  if (store.refusal) {
    return (
      <div class="nothing">
        <h2>The server does not give the tree</h2>
        <p>{store.refusal}</p>
      </div>
    );
  }
  if (!store.loaded) {
    if (feed.link.tries < 2) return <div class="nothing calm">{feed.link.tries > 0 ? 'Connecting…' : store.app.at === undefined ? 'Loading the tree…' : 'Looking up how the tree was…'}</div>;
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
  if (!may(store.app.session, 'viewer')) {
    return (
      <div class="nothing">
        <p>{nothingSeen}</p>
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
