// A value of a bean: shown, and as a field of a form.

import { exact, moment } from '../format';
import { AreaField, SelectField, TextField } from '../ui/form';
import { hintOf, isJson, isList } from './text';

/** Value shows a value in the form that suits it. */
export function Value({ value, type, unit, of, columns }: { value: unknown; type: string; unit?: string | undefined; of?: number | undefined; columns?: { name: string; unit?: string }[] | undefined }) {
  const more = of ? <p class="soft">The first of {type === 'string' ? `${of} bytes` : of}.</p> : null;
  if (value === undefined || value === null) return <span class="soft">none</span>;
  if (type === 'time' && typeof value === 'string') return <time dateTime={value}>{moment(Date.parse(value))}</time>;
  if (Array.isArray(value)) {
    if (value.length === 0) return <span class="soft">empty</span>;
    if (value.every((v) => typeof v === 'object' && v !== null && !Array.isArray(v))) {
      return (
        <>
          <Table rows={value as Record<string, unknown>[]} columns={columns} />
          {more}
        </>
      );
    }
    return (
      <>
        <ul class="values">
          {value.map((v, i) => (
            <li key={i}>{plain(v)}</li>
          ))}
        </ul>
        {more}
      </>
    );
  }
  if (typeof value === 'object') {
    const entries = Object.entries(value);
    if (entries.length === 0) return <span class="soft">empty</span>;
    return (
      <>
        <dl class="values">
          {entries.map(([key, v]) => (
            <>
              <dt>{key}</dt>
              <dd>{plain(v)}</dd>
            </>
          ))}
        </dl>
        {more}
      </>
    );
  }
  if (value === '') return <span class="soft">empty</span>;
  return (
    <>
      <span class="text">{typeof value === 'number' || unit ? exact(value as number | string, unit ?? '') + (typeof value === 'string' && unit ? ` ${unit}` : '') : String(value)}</span>
      {more}
    </>
  );
}

function Table({ rows, columns }: { rows: Record<string, unknown>[]; columns?: { name: string; unit?: string }[] | undefined }) {
  const names = columns && columns.length > 0 ? columns.map((c) => c.name) : [...new Set(rows.flatMap((r) => Object.keys(r)))];
  return (
    <div class="table" tabIndex={0} role="region" aria-label="Table">
      <table>
        <thead>
          <tr>
            {names.map((n) => (
              <th key={n} scope="col">
                {n}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, i) => (
            <tr key={i}>
              {names.map((n) => (
                <td key={n}>{plain(row[n])}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function plain(v: unknown): string {
  if (v === null || v === undefined) return '';
  return typeof v === 'object' ? JSON.stringify(v) : String(v);
}

/** ValueField takes a value of a type as a text. */
export function ValueField({
  label,
  type,
  unit,
  hint,
  text,
  onText,
  error,
  bare,
  focus,
}: {
  label: string;
  type: string;
  unit?: string | undefined;
  hint?: string | undefined;
  text: string;
  onText: (text: string) => void;
  error?: string | undefined;
  bare?: boolean;
  focus?: boolean;
}) {
  const told = [hint, hintOf(type), unit && `In ${unit}.`].filter(Boolean).join(' ');
  const common = { label, error, value: text, onValue: onText, ...(bare ? { bare } : {}), ...(told ? { hint: told } : {}), ...(focus ? { autofocus: true } : {}) };
  if (type === 'bool') return <SelectField {...common} options={['true', 'false']} />;
  if (isList(type) || isJson(type)) return <AreaField {...common} class="code" rows={Math.min(8, Math.max(2, text.split('\n').length))} />;
  return <TextField {...common} {...(type === 'string' || type === 'any' ? {} : { class: 'code' })} autocomplete="off" />;
}
