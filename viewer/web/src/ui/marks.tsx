// Status marks: shape, colour and word. The drawing itself is hidden from screen
// readers; the word stands beside it or in its label.

import { Green, Red, type Status, Yellow, statusWords } from '../wire';

const shapes = {
  0: <path d="M8 1.2 14.8 8 8 14.8 1.2 8z" />,
  1: <circle cx="8" cy="8" r="6.2" />,
  2: <path d="M8 1.8 15 14H1z" />,
  3: <rect x="2" y="2" width="12" height="12" rx="1" />,
} as const;

export function Mark({ status, size = 14, label }: { status: Status; size?: number; label?: string }) {
  const told = label === undefined ? { 'aria-hidden': true as const } : { role: 'img' as const, 'aria-label': label };
  return (
    <svg class={`mark ${statusWords[status]}`} viewBox="0 0 16 16" width={size} height={size} {...told}>
      {shapes[status]}
    </svg>
  );
}

/** Counts shows how many attributes have which status, the worst first. */
export function Counts({ of }: { of: (status: Status) => number }) {
  return (
    <span class="counts">
      {([Red, Yellow, 0, Green] as const).map((s) => {
        const n = of(s);
        return n === 0 ? null : (
          <span key={s} class={`count ${statusWords[s]}`}>
            <Mark status={s} size={10} />
            {n}
            <span class="hidden"> {statusWords[s]} </span>
          </span>
        );
      })}
    </span>
  );
}

const icons = {
  close: 'M4 4l8 8M12 4l-8 8',
  chevron: 'M6 3.5 10.5 8 6 12.5',
  search: 'M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10zm3.6-1.4L14 14',
  expand: 'M4 3l4 4 4-4M4 9l4 4 4-4',
  collapse: 'M4 7l4-4 4 4M4 13l4-4 4 4',
  target: 'M8 1v3M8 12v3M1 8h3M12 8h3M8 12.2A4.2 4.2 0 1 0 8 3.8a4.2 4.2 0 0 0 0 8.4z',
  light: 'M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1.1 1.1M11.9 11.9 13 13M3 13l1.1-1.1M11.9 4.1 13 3',
  dark: 'M13.5 9.6A6 6 0 0 1 6.4 2.5a6 6 0 1 0 7.1 7.1z',
  system: 'M2 3h12v8H2zM5.5 14h5M8 11v3',
  info: 'M8 7.2V11M8 4.8v.2M8 14.5a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13z',
} as const;

export function Icon({ name }: { name: keyof typeof icons }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
      <path d={icons[name]} />
    </svg>
  );
}

/** Logo is a small tree whose fruits are the marks. */
export function Logo() {
  return (
    <svg class="logo" viewBox="0 0 24 24" width="24" height="24" aria-hidden="true">
      <path class="wood" d="M12 22V9M12 16l-6-4M12 13l6-4" />
      <circle class="leaf" cx="12" cy="5.5" r="3.5" />
      <circle class="leaf" cx="5" cy="11" r="2.6" />
      <circle class="leaf" cx="19" cy="8.4" r="2.6" />
    </svg>
  );
}
