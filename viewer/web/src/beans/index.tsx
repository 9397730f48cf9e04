// The browser of beans: domains and names beside one bean with all that it has.

import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { useApp } from '../app';
import { figures, plural } from '../format';
import { maySomewhere } from '../session';
import { words } from '../ui/form';
import { type Column, List } from '../ui/list';
import { Icon } from '../ui/marks';
import { usePhone } from '../ui/phone';
import { type Bean, type Domain, type ListedBean, fetchBean, fetchDomains, fetchNames } from './api';
import { Attributes } from './attributes';
import { Notifications } from './notifications';
import { Operations } from './operations';
import { parts, sentence, shortClass } from './text';

const typingMs = 250;
const refreshMs = 2000;

/** patternOf reads what somebody searches for: a pattern of names when it has a colon, else words. */
function patternOf(find: string, domain: string): { query: string; text: string } {
  if (find.includes(':')) return { query: find.trim(), text: '' };
  return { query: domain ? `${domain}:*` : '*:*', text: find };
}

export function BeansPage() {
  const app = useApp();
  const phone = usePhone();
  const { name = '', domain = '', find = '' } = app.route.params;
  const { query, text } = patternOf(find, domain);
  const open = (bean: string | undefined) => app.go('beans', { ...(domain && { domain }), ...(find && { find }), ...(bean && { name: bean }) });
  return (
    <div class="beans-page">
      <h1 class="hidden">Beans</h1>
      {phone && name ? null : (
        <section class="names" aria-label="Names of beans">
          <Search find={find} onFind={(next) => app.put({ find: next || undefined })} />
          <Domains chosen={domain} onChoose={(next) => app.put({ domain: next || undefined, ...(find.includes(':') ? { find: undefined } : {}) })} />
          <Names query={query} text={text} selected={name} onOpen={open} />
        </section>
      )}
      {name ? (
        <One key={name} name={name} onBack={() => open(undefined)} back={phone} />
      ) : phone ? null : (
        <section class="bean none" aria-label="Bean">
          <p class="soft">Choose a bean to see what it has and can do.</p>
          <All query={query} />
        </section>
      )}
    </div>
  );
}

/** All listens to all beans of the list at once. */
function All({ query }: { query: string }) {
  const [on, setOn] = useState(false);
  useEffect(() => setOn(false), [query]);
  if (!/[*?]/.test(query)) return null;
  if (!on) {
    return (
      <button onClick={() => setOn(true)}>
        <Icon name="bell" />
        Listen to all of {query}
      </button>
    );
  }
  return (
    <div class="all">
      <h2>Notifications of {query}</h2>
      <Notifications name={query} />
    </div>
  );
}

function Search({ find, onFind }: { find: string; onFind: (find: string) => void }) {
  const [typed, setTyped] = useState(find);
  const timer = useRef(0);
  const sent = useRef(find);
  if (find !== sent.current) {
    // The address is another: by the way back, or a link.
    sent.current = find;
    setTyped(find);
  }
  useEffect(() => () => clearTimeout(timer.current), []);
  return (
    <label class="search">
      <Icon name="search" />
      <span class="hidden">Search beans</span>
      <input
        type="search"
        placeholder="Words, or a pattern as in grove:type=T*"
        autocomplete="off"
        spellcheck={false}
        value={typed}
        onInput={(e) => {
          const next = e.currentTarget.value;
          setTyped(next);
          clearTimeout(timer.current);
          timer.current = window.setTimeout(() => {
            sent.current = next;
            onFind(next);
          }, typingMs);
        }}
      />
    </label>
  );
}

function Domains({ chosen, onChoose }: { chosen: string; onChoose: (domain: string) => void }) {
  const [domains, setDomains] = useState<Domain[]>([]);
  useEffect(() => {
    const abort = new AbortController();
    fetchDomains(abort.signal).then(setDomains, () => {}); // The list of names says what is wrong.
    return () => abort.abort();
  }, []);
  if (domains.length < 2) return null;
  const all = domains.reduce((n, d) => n + d.beans, 0);
  return (
    <div class="chips" role="group" aria-label="Domains">
      {[{ name: '', beans: all }, ...domains].map((d) => (
        <button key={d.name} class="chip" aria-pressed={d.name === chosen} onClick={() => onChoose(d.name)}>
          {d.name || 'All'} <span class="n">{figures(d.beans)}</span>
        </button>
      ))}
    </div>
  );
}

const columns: readonly Column<ListedBean>[] = [
  {
    name: 'bean',
    title: 'Bean',
    draw: (b) => {
      const { title, kind } = parts(b.name, b.path);
      return (
        <span class="two" title={b.name}>
          <span class="title">{title}</span>
          <span class="soft">{[b.name.slice(0, b.name.indexOf(':')), kind || shortClass(b.class)].filter(Boolean).join(' · ')}</span>
        </span>
      );
    },
  },
];

interface Found {
  of: string; // the question
  items: ListedBean[];
  total: number;
  error: string;
  loaded: boolean;
}

function Names({ query, text, selected, onOpen }: { query: string; text: string; selected: string; onOpen: (name: string) => void }) {
  const of = query + '\n' + text;
  const [found, setFound] = useState<Found>({ of, items: [], total: 0, error: '', loaded: false });
  const fetching = useRef<AbortController | undefined>(undefined);
  const load = useCallback(
    (offset: number) => {
      fetching.current?.abort();
      const abort = (fetching.current = new AbortController());
      fetchNames(query, text, offset, abort.signal).then(
        ({ beans, total }) => {
          fetching.current = undefined;
          setFound((before) => ({ of, items: offset === 0 ? beans : [...before.items, ...beans], total, error: '', loaded: true }));
        },
        (error: unknown) => {
          if (!abort.signal.aborted) setFound((before) => ({ ...before, of, items: offset === 0 ? [] : before.items, total: 0, error: words(error), loaded: true }));
        },
      );
    },
    [query, text],
  );
  useEffect(() => {
    load(0);
    return () => fetching.current?.abort();
  }, [load]);
  const end = found.items.length;
  const more = useMemo(() => (found.of === of && end < found.total ? () => fetching.current || load(end) : undefined), [found, of, load]);
  return (
    <>
      <List
        label="Beans"
        name="bean-names"
        items={found.items}
        columns={columns}
        keyOf={(b) => b.name}
        row={46}
        slimRow={54}
        selected={selected || undefined}
        onOpen={(b) => onOpen(b.name)}
        {...(more ? { more } : {})}
        empty={found.error || (found.loaded ? 'No bean has such a name.' : 'Loading…')}
      />
      <p class="foot" role="status">
        {found.loaded && !found.error ? plural(found.total, 'bean') : ''}
      </p>
    </>
  );
}

/** One is one bean. What it has is read again as long as somebody looks. */
function One({ name, back, onBack }: { name: string; back: boolean; onBack: () => void }) {
  const app = useApp();
  const [bean, setBean] = useState<Bean | undefined>();
  const [error, setError] = useState('');
  const again = useRef(() => {});
  useEffect(() => {
    let abort: AbortController | undefined;
    let timer = 0;
    const read = async () => {
      clearTimeout(timer);
      abort?.abort();
      const own = (abort = new AbortController());
      try {
        const next = await fetchBean(name, own.signal);
        setBean(next);
        setError('');
      } catch (problem) {
        if (own.signal.aborted) return;
        setError(words(problem));
      }
      timer = window.setTimeout(wait, refreshMs);
    };
    const wait = () => {
      if (document.visibilityState === 'visible') void read();
      else timer = window.setTimeout(wait, refreshMs);
    };
    again.current = () => void read();
    void read();
    return () => {
      abort?.abort();
      clearTimeout(timer);
    };
  }, [name]);
  const { title } = parts(name, bean?.path);
  const emits = bean !== undefined && bean.notifications.length > 0;
  return (
    <section class="bean" aria-label="Bean">
      <header>
        {back ? (
          <button class="plain" onClick={onBack} aria-label="Back to the list">
            <Icon name="back" />
          </button>
        ) : null}
        <h2>{title}</h2>
        {bean?.path ? (
          <button onClick={() => app.showNode(bean.path)}>
            <Icon name="tree" />
            Show node
          </button>
        ) : null}
      </header>
      <p class="full-name">
        <code>{name}</code>
      </p>
      {bean ? (
        <p class="soft">
          {bean.description ? sentence(bean.description) + ' ' : ''}
          Class <code>{bean.class}</code>.
        </p>
      ) : null}
      {app.at === undefined ? null : <p class="trouble">Beans have no past: this is how it is now.</p>}
      {error ? (
        <p class="trouble" role="alert">
          {error}
          {bean ? ' What you see below may be old.' : ''}
        </p>
      ) : null}
      {bean?.hidden ? <p class="soft">Something that you do not see contributes to this group.</p> : null}
      {bean ? (
        <>
          <section aria-labelledby="bean-attributes">
            <h3 id="bean-attributes">Attributes</h3>
            <Attributes bean={name} attributes={bean.attributes} onSet={() => again.current()} />
          </section>
          <section aria-labelledby="bean-operations">
            <h3 id="bean-operations">Operations</h3>
            <Operations bean={name} operations={bean.operations} onRun={() => again.current()} />
          </section>
          {emits ? (
            <section aria-labelledby="bean-notifications">
              <h3 id="bean-notifications">Notifications</h3>
              <ul class="classes">
                {bean.notifications.map((n, i) => (
                  <li key={i} class="soft">
                    <code>{n.types.join(', ')}</code> {n.description ? sentence(n.description) : ''}
                  </li>
                ))}
              </ul>
              <Notifications name={name} />
            </section>
          ) : null}
        </>
      ) : error || !maySomewhere(app.session, 'viewer') ? null : (
        <p class="soft">Loading…</p>
      )}
    </section>
  );
}
