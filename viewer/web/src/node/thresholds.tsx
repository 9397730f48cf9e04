// The thresholds of a node: how they are, and for who may, a form that changes them. What
// is typed shows in the chart at once; the server decides whether it holds.

import { useEffect, useState } from 'preact/hooks';
import { Problem, send } from '../api';
import { useApp } from '../app';
import { urlOf } from '../path';
import { confirm, toast } from '../ui/dialog';
import { Form, SelectField, Submit, TextField, useAction } from '../ui/form';
import { Icon, Mark } from '../ui/marks';
import { type Status, White, statusWords } from '../wire';
import { Fact } from './facts';
import { type Line, backOf, parseLevel } from './level';
import type { NodeAnswer } from './reader';
import { statusOf } from './series';

interface Props {
  node: NodeAnswer;
  take: (node: NodeAnswer) => void;
  preview: (lines: Line[] | undefined) => void;
}

export function Thresholds({ node, take, preview }: Props) {
  const app = useApp();
  const [editing, edit] = useState(false);
  const t = node.thresholds;
  const mayEdit = (node.may?.includes('thresholds') ?? false) && app.at === undefined;
  const given = t && Object.keys(t).some((k) => k !== 'tuned');
  if (node.kind === 'group' || (!given && !mayEdit)) return null;
  return (
    <section aria-label="Thresholds">
      <div class="section-head">
        <h3>{(t?.tuned ? 'Thresholds, changed while running' : 'Thresholds') + (app.at === undefined ? '' : ', as they are today')}</h3>
        {mayEdit && !editing ? (
          <button onClick={() => edit(true)}>
            <Icon name="edit" />
            Edit
          </button>
        ) : null}
      </div>
      {editing && mayEdit ? <Editor node={node} take={take} preview={preview} onDone={() => edit(false)} /> : given ? <InForce node={node} /> : <p class="hint">None: every reading is green.</p>}
    </section>
  );
}

/** isTruth says whether the texts stand for yes and no. */
function isTruth(node: NodeAnswer): boolean {
  const texts = Object.keys(node.thresholds?.states ?? {});
  return node.kind === 'status' && texts.some((t) => t !== '*') && texts.every((t) => ['0', '1', '*'].includes(t));
}

const truths: Record<string, [shown: string, typed: string]> = { 1: ['yes', 'true'], 0: ['no', 'false'] };

/** withUnit writes a rule with its unit behind the numbers: "> 90 % for 5m". */
function withUnit(rule: string, unit: string | undefined): string {
  const [level, ...hold] = rule.split(' for ');
  return [unit ? `${level}\u202f${unit}` : level, ...hold].join(' for ');
}

function InForce({ node }: { node: NodeAnswer }) {
  const t = node.thresholds!;
  const truth = isTruth(node);
  const level = (word: 'yellow' | 'red') => {
    const back = t.back?.[word];
    return t[word] ? (
      <>
        <dt>
          <Mark status={statusOf(word)} size={12} />
          {word}
        </dt>
        <dd>
          {withUnit(t[word], node.unit)}
          {back?.length ? <span class="hint">, back at {withUnit(back.join(' or '), node.unit)}</span> : null}
        </dd>
      </>
    ) : null;
  };
  return (
    <dl>
      {level('yellow')}
      {level('red')}
      {Object.entries(t.states ?? {}).map(([text, word]) => (
        <Fact key={text} name={text === '*' ? 'anything else' : ((truth && truths[text]?.[0]) || text)}>
          <span class="count">
            <Mark status={statusOf(word)} size={12} />
            {word}
          </span>
        </Fact>
      ))}
      {t.clear ? <Fact name="clears after">{t.clear} of better readings</Fact> : null}
      {t.white ? <Fact name="white after">{t.white} without a reading</Fact> : null}
      {t.flap ? (
        <Fact name="flapping at">
          {t.flap.changes} changes in {t.flap.window}
        </Fact>
      ) : null}
    </dl>
  );
}

interface Draft {
  yellow: string;
  yellowBack: string;
  red: string;
  redBack: string;
  clear: string;
  white: string;
  flap: string;
  states: { text: string; status: string }[];
}

function draftOf(node: NodeAnswer): Draft {
  const t = node.thresholds;
  const truth = isTruth(node);
  return {
    yellow: t?.yellow ?? '',
    yellowBack: backOf(t, 'yellow'),
    red: t?.red ?? '',
    redBack: backOf(t, 'red'),
    clear: t?.clear ?? '',
    white: t?.white ? `no reading for ${t.white}` : 'never',
    flap: t?.flap ? `${t.flap.changes} changes in ${t.flap.window}` : '',
    states: Object.entries(t?.states ?? {}).map(([text, status]) => ({ text: (truth && truths[text]?.[1]) || text, status })),
  };
}

/** bodyOf is what the server is sent. A silence that nobody changed stays as the definition has it. */
function bodyOf(d: Draft, node: NodeAnswer): Record<string, unknown> {
  const { kind } = node;
  const body: Record<string, unknown> = {};
  if (node.thresholds?.tuned || d.white !== draftOf(node).white) body.white = d.white;
  if (kind === 'performance') {
    Object.assign(body, { yellow: d.yellow, red: d.red });
    const back = { ...(d.yellowBack.trim() && d.yellow.trim() ? { yellow: d.yellowBack } : {}), ...(d.redBack.trim() && d.red.trim() ? { red: d.redBack } : {}) };
    if (Object.keys(back).length > 0) body.back = back;
  }
  if (kind === 'performance' || kind === 'status') Object.assign(body, { clear: d.clear, flap: d.flap });
  const states = d.states.filter((s) => s.text.trim() !== '');
  if (states.length > 0) body.states = Object.fromEntries(states.map((s) => [s.text.trim(), s.status]));
  return body;
}

function linesOfDraft(d: Draft): Line[] {
  const lines: Line[] = [];
  for (const [status, rule, back] of [[2, d.yellow, d.yellowBack], [3, d.red, d.redBack]] as const) {
    const level = parseLevel(rule, back);
    if (level) lines.push({ status, level });
  }
  return lines;
}

const levelHint = 'such as > 500, < 5, outside 10..20, with “for 30s” to hold';
const backHint = '10% or an amount';

function Editor({ node, take, preview, onDone }: Props & { onDone: () => void }) {
  const [draft, setDraft] = useState(() => draftOf(node));
  const [wrong, setWrong] = useState<Record<string, string>>({});
  const saving = useAction();
  const resetting = useAction();
  useEffect(() => () => preview(undefined), []);
  const set = (change: Partial<Draft>) => {
    const next = { ...draft, ...change };
    setDraft(next);
    setWrong((w) => Object.fromEntries(Object.entries(w).filter(([field]) => !Object.keys(change).some((k) => field === fields[k] || field.startsWith(fields[k] + '.')))));
    preview(linesOfDraft(next));
  };
  const url = urlOf('api/v1/thresholds', node.path);
  const [failed, setFailed] = useState('');
  const save = async () => {
    setWrong({});
    setFailed('');
    await saving.run(async () => {
      try {
        take(await send<NodeAnswer>('PUT', url, bodyOf(draft, node)));
        toast(`The thresholds of ${node.name || node.path} are changed.`);
        onDone();
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        const at = Object.fromEntries(error.fields.map((f) => [f.location.replace(/^body\.?/, ''), f.message]));
        setWrong(at);
        const shown = Object.keys(at).length > 0 && Object.keys(at).every((f) => known(f));
        setFailed(shown ? '' : error.message);
      }
    });
  };
  const reset = async () => {
    const yes = await confirm({ title: 'Go back to the definition?', text: `What was changed on ${node.path} while grove runs is forgotten.`, action: 'Reset', danger: true });
    if (!yes) return;
    await resetting.run(async () => {
      take(await send<NodeAnswer>('DELETE', url));
      toast('The thresholds of the definition are in force again.');
      onDone();
    });
  };
  const at = (field: string) => wrong[field];
  const numbers = node.kind === 'performance';
  const colours = numbers || node.kind === 'status';
  return (
    <Form
      label="Thresholds"
      class="thresholds"
      onSend={() => void save()}
      error={failed || resetting.error}
      actions={
        <>
          <Submit busy={saving.busy}>Save</Submit>
          <button type="button" onClick={onDone}>
            Cancel
          </button>
          {node.thresholds?.tuned ? (
            <button type="button" disabled={resetting.busy} onClick={() => void reset()}>
              Reset to definition
            </button>
          ) : null}
        </>
      }
    >
      {numbers ? (
        <>
          <div class="pair">
            <TextField label={`Yellow${node.unit ? ` (${node.unit})` : ''}`} hint={levelHint} value={draft.yellow} onValue={(yellow) => set({ yellow })} error={at('yellow')} maxLength={256} autocomplete="off" />
            <TextField label="back" hint={backHint} value={draft.yellowBack} onValue={(yellowBack) => set({ yellowBack })} error={at('back.yellow') ?? at('back')} maxLength={64} autocomplete="off" />
          </div>
          <div class="pair">
            <TextField label={`Red${node.unit ? ` (${node.unit})` : ''}`} value={draft.red} onValue={(red) => set({ red })} error={at('red')} maxLength={256} autocomplete="off" />
            <TextField label="back" value={draft.redBack} onValue={(redBack) => set({ redBack })} error={at('back.red')} maxLength={64} autocomplete="off" />
          </div>
        </>
      ) : null}
      {node.kind === 'status' || draft.states.length > 0 ? <States draft={draft} set={set} at={at} /> : null}
      <div class="pair even">
        {colours ? (
          <>
            <TextField label="Clear after" hint="how long better, such as 30s" value={draft.clear} onValue={(clear) => set({ clear })} error={at('clear')} maxLength={64} autocomplete="off" />
            <TextField label="Flapping" hint="such as 5 changes in 10m" value={draft.flap} onValue={(flap) => set({ flap })} error={at('flap')} maxLength={64} autocomplete="off" />
          </>
        ) : null}
      </div>
      <TextField label="White" hint="no reading for 60s, or never" value={draft.white} onValue={(white) => set({ white })} error={at('white')} maxLength={64} autocomplete="off" />
    </Form>
  );
}

/** fields are the names on the server of what is typed. */
const fields: Record<string, string> = { yellow: 'yellow', yellowBack: 'back', red: 'red', redBack: 'back', clear: 'clear', white: 'white', flap: 'flap', states: 'states' };

function known(field: string): boolean {
  return /^(yellow|red|back(\.(yellow|red))?|clear|white|flap|states(\..*)?)$/.test(field);
}

function States({ draft, set, at }: { draft: Draft; set: (change: Partial<Draft>) => void; at: (field: string) => string | undefined }) {
  const change = (k: number, part: Partial<Draft['states'][number]>) => set({ states: draft.states.map((s, i) => (i === k ? { ...s, ...part } : s)) });
  const options = ([1, 2, 3, White] as Status[]).map((s) => statusWords[s]);
  return (
    <fieldset class="states">
      <legend>Status by text</legend>
      {draft.states.map((s, k) => (
        <div class="state-row" key={k}>
          <TextField label="Text; * is any other" bare value={s.text} onValue={(text) => change(k, { text })} error={at(`states.${s.text.trim()}`)} maxLength={256} placeholder="text, or * for any other" />
          <SelectField label={`Status of ${s.text}`} bare value={s.status} onValue={(status) => change(k, { status })} options={options} />
          <button type="button" class="plain" aria-label={`Remove ${s.text || 'this text'}`} onClick={() => set({ states: draft.states.filter((_, i) => i !== k) })}>
            <Icon name="close" />
          </button>
        </div>
      ))}
      {at('states') ? <p class="wrong">{at('states')}</p> : null}
      <button type="button" onClick={() => set({ states: [...draft.states, { text: '', status: 'green' }] })}>
        Add a text
      </button>
    </fieldset>
  );
}

