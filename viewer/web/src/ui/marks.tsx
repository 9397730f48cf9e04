// Status marks: shape, colour and word. The drawing itself is hidden from screen
// readers; the word stands beside it or in its label.

import { figures } from '../format';
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
            {figures(n)}
            <span class="hidden"> {statusWords[s]} </span>
          </span>
        );
      })}
    </span>
  );
}

const icons = {
  tree: 'M8 14.5V6M8 11 4 8.5M8 9.5 12 7M8 6a2 2 0 1 0 0-4.2A2 2 0 0 0 8 6zM3.6 8.6a1.4 1.4 0 1 0 0-2.8 1.4 1.4 0 0 0 0 2.8zM12.4 7.2a1.4 1.4 0 1 0 0-2.8 1.4 1.4 0 0 0 0 2.8z',
  overview: 'M2 2.5h7v5H2zM11 2.5h3v5h-3zM2 9.5h3v4H2zM7 9.5h7v4H7z',
  problems: 'M8 2 15 14H1zM8 6.5v3.5M8 12v.2',
  events: 'M2 3.5h1M6 3.5h8M2 8h1M6 8h8M2 12.5h1M6 12.5h8',
  definitions: 'M4 1.5h5.5L12.5 5v9.5h-8.5zM9.5 1.5V5h3M6 8.5h4.5M6 11h4.5',
  system: 'M2 3h12v4H2zM2 9h12v4H2zM4.5 5v.1M4.5 11v.1',
  managers: 'M6 2h4v3.5H6zM1.5 10.5h4V14h-4zM10.5 10.5h4V14h-4zM8 5.5V8M3.5 10.5V8h9v2.5',
  board: 'M1.5 2.5h13v9h-13zM5.5 14h5M8 11.5V14',
  beans: 'M8 1.5 13.5 4.7v6.6L8 14.5 2.5 11.3V4.7zM2.5 4.7 8 8l5.5-3.3M8 8v6.5',
  people: 'M6 7.5a2.7 2.7 0 1 0 0-5.4 2.7 2.7 0 0 0 0 5.4zM1.2 13.8c.3-3 2-4.6 4.8-4.6s4.5 1.6 4.8 4.6M10.5 2.4a2.6 2.6 0 0 1 0 4.9M12.4 9.6c1.5.7 2.3 2 2.4 4.2',
  account: 'M8 8a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM2.5 14.2c.4-3 2.3-4.6 5.5-4.6s5.1 1.6 5.5 4.6',
  key: 'M10.2 9a3.6 3.6 0 1 0-3.4-2.4L1.5 12v2.5H4V13h1.5v-1.5H7L8.9 8.8M11.3 4.7v.1',
  clock: 'M8 14.5a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM8 4.5V8l2.5 1.5',
  more: 'M3 8v.1M8 8v.1M13 8v.1',
  bell: 'M3.5 11.5c1-1 1.2-2 1.2-4.2C4.7 5 6 3.4 8 3.4S11.3 5 11.3 7.3c0 2.2.2 3.2 1.2 4.2zM6.7 13.7c.7.7 1.9.7 2.6 0M8 1.8v1.6',
  muted: 'M3.5 11.5c1-1 1.2-2 1.2-4.2 0-.6.1-1.2.3-1.7M6.3 3.8c.5-.3 1.1-.4 1.7-.4 2 0 3.3 1.6 3.3 3.9 0 .8 0 1.5.1 2M10 11.5H3.5M6.7 13.7c.7.7 1.9.7 2.6 0M2 2l12 12',
  wrench: 'M9.6 6.4 3 13a1.2 1.2 0 0 1-1.7-1.7l6.6-6.6a3.6 3.6 0 0 1 4.7-3.6L10.4 3.3l.3 2 2 .3 2.2-2.2a3.6 3.6 0 0 1-5.3 3z',
  route: 'M3 4.5a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3zM13 14.5a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3zM4.5 3H10a2.5 2.5 0 0 1 0 5H6a2.5 2.5 0 0 0 0 5h5.5',
  outbox: 'M1.8 9.5h3.7l1 2h3l1-2h3.7M1.8 9.5v4h12.4v-4L12 6M1.8 9.5 4 6M8 9V1.8M5.2 4.3 8 1.8l2.8 2.5',
  what: 'M5.5 5.5a2.5 2.5 0 1 1 3.6 2.2C8.3 8.1 8 8.6 8 9.5M8 12.5v.1',
  stop: 'M4 4h8v8H4z',
  star: 'M8 1.8l1.9 3.9 4.3.6-3.1 3 .7 4.3L8 11.6l-3.8 2 .7-4.3-3.1-3 4.3-.6z',
  plus: 'M8 3v10M3 8h10',
  trash: 'M2.5 4h11M6 4V2.5h4V4M4 4l.7 9.5h6.6L12 4M6.7 6.5v5M9.3 6.5v5',
  edit: 'M10.8 2.4l2.8 2.8L5.4 13.4l-3.4.6.6-3.4z',
  play: 'M4.5 2.5 13 8l-8.5 5.5z',
  check: 'M2.5 8.5 6 12l7.5-8',
  copy: 'M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3',
  refresh: 'M13.5 8A5.5 5.5 0 1 1 11.8 4M13.5 1.5V4.8h-3.3',
  full: 'M2 6V2h4M10 2h4v4M14 10v4h-4M6 14H2v-4',
  sort: 'M4.5 13.5v-11M2 5l2.5-2.5L7 5M11.5 2.5v11M9 11l2.5 2.5L14 11',
  cause: 'M2.5 2v6.5a3 3 0 0 0 3 3H13M10 8.5l3 3-3 3',
  back: 'M13.5 8h-11M7 3.5 2.5 8 7 12.5',
  forward: 'M2.5 8h11M9 3.5 13.5 8 9 12.5',
  logout: 'M9.5 2.5h-6v11h6M7 8h7.5M11.5 5l3 3-3 3',
  close: 'M4 4l8 8M12 4l-8 8',
  chevron: 'M6 3.5 10.5 8 6 12.5',
  search: 'M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10zm3.6-1.4L14 14',
  expand: 'M4 3l4 4 4-4M4 9l4 4 4-4',
  collapse: 'M4 7l4-4 4 4M4 13l4-4 4 4',
  target: 'M8 1v3M8 12v3M1 8h3M12 8h3M8 12.2A4.2 4.2 0 1 0 8 3.8a4.2 4.2 0 0 0 0 8.4z',
  light: 'M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1.1 1.1M11.9 11.9 13 13M3 13l1.1-1.1M11.9 4.1 13 3',
  dark: 'M13.5 9.6A6 6 0 0 1 6.4 2.5a6 6 0 1 0 7.1 7.1z',
  info: 'M8 7.2V11M8 4.8v.2M8 14.5a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13z',
} as const;

export type IconName = keyof typeof icons;

export function Icon({ name }: { name: IconName }) {
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
