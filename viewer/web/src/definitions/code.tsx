// The text of a definition with its lines numbered and its errors where they stand, and
// what a plan would change.

import { useLayoutEffect, useMemo, useRef } from 'preact/hooks';
import { Mark } from '../ui/marks';
import { Red } from '../wire';
import type { Fault, Plan } from './api';

/** Lines stand in blocks, of which the browser lays out those that are in sight. */
const block = 200;

export function Code({ text, faults, line }: { text: string; faults: readonly Fault[]; line?: number | undefined }) {
  const box = useRef<HTMLDivElement>(null);
  const blocks = useMemo(() => {
    const lines = text.replace(/\n$/, '').split(/\r?\n/);
    return Array.from({ length: Math.ceil(lines.length / block) }, (_, i) => lines.slice(i * block, (i + 1) * block));
  }, [text]);
  const wrong = new Map<number, Fault[]>();
  for (const f of faults) if (f.line) wrong.set(f.line, [...(wrong.get(f.line) ?? []), f]);
  useLayoutEffect(() => {
    if (line) box.current?.querySelector(`[data-line="${line}"]`)?.scrollIntoView({ block: 'center' });
  }, [text, line]);
  return (
    <div class="code" ref={box} role="region" aria-label="Text of the file" tabIndex={0}>
      {blocks.map((lines, b) => (
        <div key={b} class="code-block" style={{ '--lines': lines.length }}>
          {lines.map((content, i) => {
            const n = b * block + i + 1;
            const here = wrong.get(n);
            return (
              <div key={n} class={`code-line${here ? ' bad' : ''}${n === line ? ' here' : ''}`} data-line={n}>
                <span class="n" aria-hidden="true">
                  {n}
                </span>
                <code>{content || ' '}</code>
                {here?.map((f, k) => (
                  <p key={k} class="fault">
                    <Mark status={Red} size={12} label="error" /> {f.column ? `column ${f.column}: ` : ''}
                    {f.message}
                  </p>
                ))}
              </div>
            );
          })}
        </div>
      ))}
    </div>
  );
}

/** place writes where an error is: "shop.yaml:3:14". */
export function place(f: Fault): string {
  return [f.file?.split('/').at(-1), f.line, f.column].filter((part) => part !== undefined && part !== '').join(':');
}

/** Changes shows the lines of a plan or of a difference: what comes is green, what goes red, with its sign. */
export function Changes({ text, label }: { text: string; label: string }) {
  return (
    <pre class="changes" aria-label={label} tabIndex={0} role="region">
      {text.split('\n').map((line, i) => {
        const sign = line.trimStart()[0];
        return (
          <span key={i} class={sign === '+' ? 'plus' : sign === '-' ? 'minus' : sign === '~' || sign === '@' ? 'other' : ''}>
            {line}
            {'\n'}
          </span>
        );
      })}
    </pre>
  );
}

export function PlanView({ plan, onFault }: { plan: Plan; onFault: (f: Fault) => void }) {
  const errors = plan.errors ?? [];
  return (
    <section class="plan" aria-label="Plan" role="status">
      <h2>{errors.length > 0 ? 'Errors' : plan.changes ? 'It would change this' : 'It would change nothing'}</h2>
      {errors.length > 0 ? (
        <ul class="faults">
          {errors.map((f, i) => (
            <li key={i}>
              <button class="link" onClick={() => onFault(f)}>
                <code>{place(f)}</code>
              </button>{' '}
              {f.message}
            </li>
          ))}
        </ul>
      ) : null}
      {plan.changes ? <Changes text={plan.text.trimEnd()} label="Changes" /> : null}
    </section>
  );
}
