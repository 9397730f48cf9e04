// The view in the address, after "#": the open branches, the filter, the selected
// node. A link shows another person the same.

import type { Filter } from './filter';
import { type StatusWord, statusWords, type Status } from './wire';

export interface View {
  open: 'some' | 'all' | string[]; // 'some': as the page sees fit; paths: these and what is above them
  filter: Filter;
  selected: string | undefined; // path
}

/** Browsers and mail programs bound addresses: beyond this, open branches are left out. */
const maxOpenLength = 4000;

/** Slashes and tildes stay as they are, so that a path in the address can be read. */
function encode(text: string): string {
  return encodeURIComponent(text).replaceAll('%2F', '/').replaceAll('%20', '+');
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
}

export function writeView(view: View): string {
  const parts: string[] = [];
  if (view.open === 'all') parts.push('open=*');
  else if (view.open !== 'some') {
    let list = '';
    for (const path of view.open) {
      const next = list + (list ? ',' : '') + encode(path);
      if (next.length > maxOpenLength) break;
      list = next;
    }
    parts.push('open=' + list);
  }
  if (view.filter.text.trim()) parts.push('find=' + encode(view.filter.text.trim()));
  if (view.filter.statuses.size > 0) {
    parts.push('status=' + [...view.filter.statuses].sort((a, b) => b - a).map((s) => statusWords[s]).join(','));
  }
  if (view.selected !== undefined) parts.push('node=' + encode(view.selected));
  return parts.join('&');
}

export function readView(hash: string): View {
  const view: View = { open: 'some', filter: { text: '', statuses: new Set() }, selected: undefined };
  for (const part of hash.replace(/^#/, '').split('&')) {
    const at = part.indexOf('=');
    if (at < 0) continue;
    const value = part.slice(at + 1);
    switch (part.slice(0, at)) {
      case 'open':
        view.open = value === '*' ? 'all' : value.split(',').filter(Boolean).map(decode);
        break;
      case 'find':
        view.filter = { ...view.filter, text: decode(value) };
        break;
      case 'status': {
        const chosen = value.split(',').map((w) => statusWords.indexOf(w as StatusWord)).filter((s) => s >= 0);
        view.filter = { ...view.filter, statuses: new Set(chosen as Status[]) };
        break;
      }
      case 'node':
        view.selected = decode(value) || undefined;
        break;
    }
  }
  return view;
}
