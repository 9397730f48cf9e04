// The navigation: a rail at the side, on a phone a bar at the bottom with the first
// pages and a menu of the others.

import { useRef, useState } from 'preact/hooks';
import { useApp } from '../app';
import { type Page, pages } from '../pages';
import { maySomewhere } from '../session';
import { Icon } from './marks';
import { usePhone } from './phone';

const inBar = 4;

export function Navigation() {
  const app = useApp();
  const phone = usePhone();
  const shown = pages.filter((p) => p.nav !== false && (p.need === undefined || maySomewhere(app.session, p.need)));
  const first = phone ? shown.slice(0, shown.length > inBar + 1 ? inBar : inBar + 1) : shown;
  const others = shown.slice(first.length);
  return (
    <nav class="pages" aria-label="Pages">
      {first.map((p) => (
        <Entry key={p.name} page={p} />
      ))}
      {others.length > 0 ? <More others={others} /> : null}
    </nav>
  );
}

function Entry({ page, onGo }: { page: Page; onGo?: () => void }) {
  const app = useApp();
  const current = app.route.page === page.name || pages.find((p) => p.name === app.route.page)?.of === page.name;
  const open = page.name === 'alerts' && app.alerts.known ? (app.alerts.counts.open ?? 0) : 0;
  return (
    <a class="page-link" href={app.href(page.name)} aria-current={current ? 'page' : undefined} title={page.title} onClick={onGo}>
      <Icon name={page.icon} />
      <span>{page.title}</span>
      {open > 0 ? (
        <b class="open-alerts">
          {open > 999 ? '999+' : open}
          <i class="hidden"> open</i>
        </b>
      ) : null}
    </a>
  );
}

function More({ others }: { others: readonly Page[] }) {
  const app = useApp();
  const [open, setOpen] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const close = () => {
    setOpen(false);
    button.current?.focus();
  };
  return (
    <>
      <button
        ref={button}
        class={`page-link${others.some((p) => p.name === app.route.page) ? ' here' : ''}`}
        aria-expanded={open}
        aria-controls="more-pages"
        onClick={() => setOpen(!open)}
      >
        <Icon name="more" />
        <span>More</span>
      </button>
      {open ? (
        <>
          <button class="backdrop" onClick={close} tabIndex={-1} aria-hidden="true" />
          <div id="more-pages" class="more-pages" onKeyDown={(e) => e.key === 'Escape' && close()}>
            {others.map((p) => (
              <Entry key={p.name} page={p} onGo={() => setOpen(false)} />
            ))}
          </div>
        </>
      ) : null}
    </>
  );
}
