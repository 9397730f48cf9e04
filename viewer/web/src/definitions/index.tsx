// The definitions page: what the tree is grown from, what of it is wrong, and where.

import { useMemo, useState } from 'preact/hooks';
import { useApp } from '../app';
import { figures, moment, plural } from '../format';
import { Find } from '../problems';
import { may } from '../session';
import { ErrorText, TextField } from '../ui/form';
import { type Column, List } from '../ui/list';
import { Icon, Mark } from '../ui/marks';
import { Green, Red, White, Yellow } from '../wire';
import { type Application, type Definitions as Known, type Fault, type Instance, type Revision, readDefinitions, readShared } from './api';
import { place } from './code';
import { FileView, Trial } from './file';
import { useReading } from './read';
import { Editor, SharedView } from './shared';

const everyMs = 5000;
const states = { running: Green, kept: Yellow, failed: Red } as const;
const tabs = ['instances', 'errors', 'applications', 'shared'] as const;

export function Definitions() {
  const app = useApp();
  const { params } = app.route;
  const known = useReading('definitions', readDefinitions, everyMs);
  const shared = useReading('shared', readShared);
  const faults = useMemo(() => allFaults(known.value), [known.value]);
  const [trial, setTrial] = useState('');
  if (params.file) return <FileView key={params.file} file={params.file} line={Number(params.line) || undefined} known={known.value} />;
  if (params.shared) return <SharedView key={params.shared} name={params.shared} revision={Number(params.revision) || 0} onChanged={shared.again} />;
  const tab = tabs.find((t) => t === params.show) ?? 'instances';
  const counts: Record<(typeof tabs)[number], number | undefined> = {
    instances: known.value?.instances.length,
    errors: known.value ? faults.length : undefined,
    applications: known.value?.applications.length,
    shared: shared.value?.revisions.filter((r) => !r.removed).length,
  };
  const open = (file: string | undefined, line?: number) => file && app.go('definitions', { ...params, file, ...(line ? { line: String(line) } : {}) });
  const find = (params.find ?? '').toLowerCase();
  const has = (...texts: (string | undefined)[]) => texts.some((t) => t?.toLowerCase().includes(find));
  const editor = may(app.session, 'editor');
  return (
    <div class="whole definitions-page">
      {trial === '' ? <h1 class="hidden">Definitions</h1> : null}
      <div class="bar">
        <div class="chips tabs" role="group" aria-label="What is shown">
          {tabs.map((t) => (
            <button key={t} class="chip" aria-pressed={t === tab} onClick={() => app.put({ show: t === 'instances' ? undefined : t })}>
              {t === 'errors' && faults.length > 0 ? <Mark status={Red} size={12} /> : null}
              {t[0]!.toUpperCase() + t.slice(1)} <span class="n">{counts[t] === undefined ? '' : figures(counts[t])}</span>
            </button>
          ))}
        </div>
        <Find value={params.find ?? ''} onValue={(text) => app.put({ find: text || undefined })} label="Filter by name" />
        {editor && trial === '' ? (
          <button class="new" onClick={() => setTrial(tab === 'shared' ? 'shared' : 'file')}>
            <Icon name="plus" /> {tab === 'shared' ? 'New shared definition' : 'Plan a new file'}
          </button>
        ) : null}
      </div>
      {trial === 'file' ? (
        <New onClose={() => setTrial('')}>
          <Trial source={{ text: sample }} />
        </New>
      ) : trial === 'shared' ? (
        <New onClose={() => setTrial('')}>
          <NewShared
            onSaved={(r) => {
              setTrial('');
              shared.again();
              app.put({ shared: r.name });
            }}
          />
        </New>
      ) : tab === 'instances' ? (
        <List
          label="Instances"
          name="instances"
          items={(known.value?.instances ?? []).filter((i) => has(i.name, i.application, i.at, i.file))}
          columns={instanceColumns}
          keyOf={(i) => i.name}
          onOpen={(i) => open(i.errors?.[0]?.file ?? i.file, i.errors?.[0]?.line)}
          live
          slimRow={58}
          empty={known.error || (known.value ? 'No instance matches. Put a definition into the definitions folder of this server: it is read at once.' : 'Reading…')}
        />
      ) : tab === 'errors' ? (
        <List
          label="Errors"
          name="fault-list"
          items={faults.filter((f) => has(f.file, f.message))}
          columns={faultColumns}
          keyOf={(f) => `${f.file}:${f.line}:${f.column}:${f.message}`}
          onOpen={(f) => open(f.file, f.line)}
          live
          slimRow={64}
          empty={known.error || (known.value ? <span class="well"><Mark status={Green} size={20} /> No errors.</span> : 'Reading…')}
        />
      ) : tab === 'applications' ? (
        <List
          label="Applications"
          name="applications"
          items={(known.value?.applications ?? []).filter((a) => has(a.name, a.title, a.file))}
          columns={applicationColumns}
          keyOf={(a) => a.name}
          onOpen={(a) => open(a.file)}
          slimRow={58}
          empty={known.error || 'No application matches.'}
        />
      ) : (
        <List
          label="Shared definitions"
          name="shared-list"
          items={(shared.value?.revisions ?? []).filter((r) => has(r.name, r.who, r.comment))}
          columns={sharedColumns}
          keyOf={(r) => r.name}
          onOpen={(r) => app.put({ shared: r.name })}
          slimRow={58}
          empty={shared.error || 'No definition is shared. Managers that use the same database share those that are put here.'}
        />
      )}
      <p class="foot" role="status">
        {known.value ? `${plural(known.value.instances.length, 'instance')}, ${plural(faults.length, 'error')}` : ''}
        {known.error && known.value ? <span class="wrong"> {known.error}</span> : null}
      </p>
    </div>
  );
}

const sample = 'grove: 1\nuse: nginx\nat: /shop/web1\nwith: { status_url: "http://127.0.0.1/nginx_status" }\n';

function New({ onClose, children }: { onClose: () => void; children: preact.ComponentChildren }) {
  return (
    <div class="file">
      <header class="bar">
        <button onClick={onClose}>
          <Icon name="back" /> Back
        </button>
        <h1>New</h1>
      </header>
      {children}
    </div>
  );
}

function NewShared({ onSaved }: { onSaved: (r: Revision) => void }) {
  const [name, setName] = useState('');
  return (
    <>
      <div class="bar">
        <TextField label="Name" value={name} onValue={setName} maxLength={64} placeholder="shop" />
      </div>
      {name === '' ? <ErrorText /> : <Editor key={name} name={name} text={''} expected={0} onSaved={onSaved} />}
    </>
  );
}

/** allFaults lists every error once. */
function allFaults(known: Known | undefined): Fault[] {
  const all = new Map<string, Fault>();
  for (const list of [known?.errors, ...(known?.instances ?? []).map((i) => i.errors), ...(known?.applications ?? []).map((a) => a.errors)]) {
    for (const f of list ?? []) all.set(`${f.file}:${f.line}:${f.column}:${f.message}`, f);
  }
  return [...all.values()];
}

const text = (a: string | undefined, b: string | undefined) => ((a ?? '') < (b ?? '') ? -1 : (a ?? '') > (b ?? '') ? 1 : 0);
const short = (file: string | undefined) => file?.replace(/^builtin:.*\//, 'catalogue: ').split('/').at(-1) ?? '';

const instanceColumns: readonly Column<Instance>[] = [
  {
    name: 'state',
    title: 'State',
    width: '7rem',
    slim: '22px',
    down: true,
    order: (a, b) => states[a.state] - states[b.state],
    draw: (i) => (
      <>
        <Mark status={states[i.state] ?? White} />
        <span class="word" title={i.state === 'kept' ? 'The file is wrong now; what it said before still runs.' : ''}>
          {i.state}
        </span>
      </>
    ),
  },
  {
    name: 'name',
    title: 'Instance',
    width: 'minmax(8rem, 1fr)',
    order: (a, b) => text(a.name, b.name),
    draw: (i) => (
      <>
        <b>{i.name}</b>
        <span class="phone soft">{i.errors?.[0] ? `${place(i.errors[0])}: ${i.errors[0].message}` : `${i.at ?? ''} · ${plural(i.nodes, 'node')}`}</span>
      </>
    ),
  },
  { name: 'at', title: 'Place in the tree', slim: false, order: (a, b) => text(a.at, b.at), draw: (i) => (i.at ? <a href={`#/tree?node=${encodeURIComponent(i.at).replaceAll('%2F', '/')}`}>{i.at}</a> : '') },
  { name: 'nodes', title: 'Nodes', width: '7rem', slim: false, down: true, order: (a, b) => a.nodes - b.nodes, draw: (i) => plural(i.nodes, 'node') },
  { name: 'application', title: 'Application', width: 'minmax(0, 0.7fr)', slim: false, order: (a, b) => text(a.application, b.application), draw: (i) => i.application ?? '' },
  {
    name: 'file',
    title: 'File and errors',
    width: 'minmax(0, 1.5fr)',
    slim: false,
    order: (a, b) => text(a.file, b.file),
    draw: (i) =>
      i.errors?.[0] ? (
        <span class="wrong" title={i.errors.map((f) => `${place(f)}: ${f.message}`).join('\n')}>
          <code>{place(i.errors[0])}</code> {i.errors[0].message}
        </span>
      ) : (
        <span class="soft" title={i.why ? `${i.file ?? ''}\n${i.why}` : i.file}>
          {short(i.file)}
          {i.why && ` · ${i.why}`}
        </span>
      ),
  },
];

const faultColumns: readonly Column<Fault>[] = [
  { name: 'place', title: 'Place', width: 'minmax(10rem, 0.5fr)', slim: false, order: (a, b) => text(a.file, b.file) || (a.line ?? 0) - (b.line ?? 0), draw: (f) => <code title={f.file}>{place(f)}</code> },
  {
    name: 'message',
    title: 'What is wrong',
    draw: (f) => (
      <>
        <span class="phone soft">
          <code>{place(f)}</code>
        </span>
        <span title={f.message}>{f.message}</span>
      </>
    ),
  },
];

const applicationColumns: readonly Column<Application>[] = [
  { name: 'name', title: 'Application', width: 'minmax(7rem, 0.6fr)', order: (a, b) => text(a.name, b.name), draw: (a) => <b>{a.name}</b> },
  {
    name: 'title',
    title: 'What it is',
    width: 'minmax(0, 2fr)',
    order: (a, b) => text(a.title, b.title),
    draw: (a) => (
      <>
        {a.title} <span class="soft">{a.description}</span>
      </>
    ),
  },
  { name: 'file', title: 'File', slim: false, order: (a, b) => text(a.file, b.file), draw: (a) => <span class="soft" title={a.file}>{short(a.file)}</span> },
];

const sharedColumns: readonly Column<Revision>[] = [
  { name: 'name', title: 'Definition', width: 'minmax(7rem, 0.8fr)', order: (a, b) => text(a.name, b.name), draw: (r) => <b>{r.name}</b> },
  { name: 'revision', title: 'Revision', width: '8rem', slim: '6rem', down: true, order: (a, b) => a.revision - b.revision, draw: (r) => (r.removed ? `${r.revision}, removed` : r.revision) },
  { name: 'who', title: 'By', width: '9rem', slim: false, order: (a, b) => text(a.who, b.who), draw: (r) => r.who },
  { name: 'time', title: 'Time', width: '11rem', slim: false, down: true, order: (a, b) => text(a.time, b.time), draw: (r) => moment(Date.parse(r.time)) },
  { name: 'comment', title: 'Why', slim: false, draw: (r) => r.comment ?? '' },
];
