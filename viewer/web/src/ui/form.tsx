// The parts of forms: fields with a label, a hint and an error, buttons that wait, and
// the error of a form in the server's words.

import type { ComponentChildren } from 'preact';
import { useCallback, useEffect, useId, useRef, useState } from 'preact/hooks';

/** About says what a field is for; an error takes the place of nothing, the hint stays. */
export interface About {
  label: string;
  hint?: ComponentChildren;
  error?: string | undefined;
  bare?: boolean; // the label is for screen readers alone
}

/** Ties connect a control with its label, hint and error. */
export interface Ties {
  id: string;
  'aria-describedby'?: string;
  'aria-invalid'?: true;
}

/** Field puts a label above a control, and a hint and an error below it. */
export function Field({ label, hint, error, bare, children }: About & { children: (ties: Ties) => ComponentChildren }) {
  const id = useId();
  const told = [hint ? `${id}-hint` : '', error ? `${id}-error` : ''].filter(Boolean).join(' ');
  const ties: Ties = { id, ...(told ? { 'aria-describedby': told } : {}), ...(error ? { 'aria-invalid': true as const } : {}) };
  return (
    <div class="field">
      <label class={bare ? 'hidden' : ''} for={id}>
        {label}
      </label>
      {children(ties)}
      {hint ? (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      ) : null}
      {error ? (
        <p class="wrong" id={`${id}-error`}>
          {error}
        </p>
      ) : null}
    </div>
  );
}

/** Common are attributes that controls have in HTML. */
interface Common {
  name?: string;
  class?: string;
  placeholder?: string;
  autocomplete?: string;
  required?: boolean;
  disabled?: boolean;
  autofocus?: boolean;
}

interface Line extends Common {
  type?: 'text' | 'password' | 'search' | 'number' | 'datetime-local' | 'date';
  inputMode?: 'text' | 'numeric' | 'decimal' | 'search';
  maxLength?: number;
  min?: string | number;
  max?: string | number;
  step?: string | number;
  list?: string;
  readOnly?: boolean;
}

interface Lines extends Common {
  rows?: number;
  maxLength?: number;
}

const styled = (more?: string) => (more ? `input ${more}` : 'input');

/** TextField takes one line of text. */
export function TextField({
  label,
  hint,
  error,
  bare,
  value,
  onValue,
  class: more,
  ...rest
}: About & { value: string; onValue: (value: string) => void } & Line) {
  return (
    <Field label={label} hint={hint} error={error} bare={bare ?? false}>
      {(ties) => <input class={styled(more)} spellcheck={false} {...(rest as object)} {...ties} value={value} onInput={(e) => onValue(e.currentTarget.value)} />}
    </Field>
  );
}

/** AreaField takes several lines of text. */
export function AreaField({
  label,
  hint,
  error,
  bare,
  value,
  onValue,
  class: more,
  ...rest
}: About & { value: string; onValue: (value: string) => void } & Lines) {
  return (
    <Field label={label} hint={hint} error={error} bare={bare ?? false}>
      {(ties) => <textarea class={styled(more)} spellcheck={false} rows={3} {...rest} {...ties} value={value} onInput={(e) => onValue(e.currentTarget.value)} />}
    </Field>
  );
}

/** SelectField lets one of a few be chosen. */
export function SelectField({
  label,
  hint,
  error,
  bare,
  value,
  onValue,
  options,
  class: more,
  ...rest
}: About & { value: string; onValue: (value: string) => void; options: readonly (string | readonly [value: string, text: string])[] } & Common) {
  return (
    <Field label={label} hint={hint} error={error} bare={bare ?? false}>
      {(ties) => (
        <select class={styled(more)} {...rest} {...ties} value={value} onChange={(e) => onValue(e.currentTarget.value)}>
          {options.map((o) => {
            const [key, text] = typeof o === 'string' ? [o, o] : o;
            return (
              <option key={key} value={key} selected={key === value}>
                {text}
              </option>
            );
          })}
        </select>
      )}
    </Field>
  );
}

/** CheckField is yes or no. */
export function CheckField({ label, hint, checked, onValue, disabled }: { label: string; hint?: string; checked: boolean; onValue: (checked: boolean) => void; disabled?: boolean }) {
  const id = useId();
  return (
    <div class="field check">
      <input id={id} type="checkbox" checked={checked} disabled={disabled ?? false} onChange={(e) => onValue(e.currentTarget.checked)} {...(hint ? { 'aria-describedby': id + '-hint' } : {})} />
      <label for={id}>{label}</label>
      {hint ? (
        <p class="hint" id={id + '-hint'}>
          {hint}
        </p>
      ) : null}
    </div>
  );
}

/** Choice is one of a few that all show. */
export function Choice<T extends string>({
  label,
  hint,
  value,
  onValue,
  options,
}: {
  label: string;
  hint?: string;
  value: T;
  onValue: (value: T) => void;
  options: readonly (readonly [value: T, text: string])[];
}) {
  const id = useId();
  return (
    <fieldset class="choice" {...(hint ? { 'aria-describedby': id + '-hint' } : {})}>
      <legend>{label}</legend>
      <div class="segments">
        {options.map(([key, text]) => (
          <label key={key} class="segment">
            <input type="radio" name={id} value={key} checked={key === value} onChange={() => onValue(key)} />
            <span>{text}</span>
          </label>
        ))}
      </div>
      {hint ? (
        <p class="hint" id={id + '-hint'}>
          {hint}
        </p>
      ) : null}
    </fieldset>
  );
}

/** Submit is the button that sends a form; it waits while busy. */
export function Submit({ busy, danger, disabled, children }: { busy?: boolean; danger?: boolean; disabled?: boolean; children: ComponentChildren }) {
  return (
    <button type="submit" class={danger ? 'danger' : 'primary'} disabled={disabled || busy} aria-busy={busy ?? false}>
      {children}
    </button>
  );
}

/** Form sends itself by Enter, too, and shows what was wrong above its buttons. */
export function Form({
  label,
  onSend,
  error,
  children,
  actions,
  class: more,
}: {
  label?: string;
  onSend: () => void;
  error?: string | undefined;
  children?: ComponentChildren;
  actions?: ComponentChildren;
  class?: string;
}) {
  return (
    <form
      class={`form ${more ?? ''}`}
      noValidate
      {...(label ? { 'aria-label': label } : {})}
      onSubmit={(e) => {
        e.preventDefault();
        onSend();
      }}
    >
      {children}
      <ErrorText text={error} />
      {actions ? <div class="actions">{actions}</div> : null}
    </form>
  );
}

/** ErrorText tells at once what went wrong, and is nothing without a text. */
export function ErrorText({ text }: { text?: string | undefined }) {
  return text ? (
    <p class="wrong" role="alert">
      {text}
    </p>
  ) : null;
}

/** Action is something that takes a while and may fail. */
export interface Action {
  busy: boolean;
  error: string; // in the server's words; empty: none
  /** run does it, unless it is being done; it says whether it went well. */
  run(work: () => Promise<unknown>): Promise<boolean>;
  clear(): void;
}

/** useAction keeps what a button or form needs to know of what it started. */
export function useAction(): Action {
  const [state, set] = useState({ busy: false, error: '' });
  const busy = useRef(false);
  const gone = useRef(false);
  useEffect(() => {
    gone.current = false;
    return () => {
      gone.current = true;
    };
  }, []);
  const tell = useCallback((error: string, running: boolean) => {
    busy.current = running;
    if (!gone.current) set({ busy: running, error });
  }, []);
  const run = useCallback(
    async (work: () => Promise<unknown>) => {
      if (busy.current) return false;
      tell('', true);
      try {
        await work();
        tell('', false);
        return true;
      } catch (error) {
        tell(words(error), false);
        return false;
      }
    },
    [tell],
  );
  const clear = useCallback(() => tell('', busy.current), [tell]);
  return { ...state, run, clear };
}

/** words are what an error says to people. */
export function words(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.charAt(0).toUpperCase() + text.slice(1);
}
