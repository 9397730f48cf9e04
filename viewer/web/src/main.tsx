// Starts the page.

import { render } from 'preact';
import { Feed } from './feed';
import { Store } from './store';
import { applyTheme, readTheme } from './theme';
import { Page } from './ui/page';

applyTheme(readTheme());

const store = new Store();
const live = new URL('api/v1/live', document.baseURI);
live.protocol = live.protocol === 'https:' ? 'wss:' : 'ws:';
live.hash = live.search = '';
const feed = new Feed({ url: live.href, health: 'healthz', path: '/' }, store);

render(<Page store={store} feed={feed} />, document.getElementById('page')!);
store.start();
feed.start();
addEventListener('pagehide', (event) => {
  if (!event.persisted) feed.stop();
});
