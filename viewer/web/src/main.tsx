// Starts the page.

import { render } from 'preact';
import { AppContext, Shell } from './app';
import { Frame } from './ui/page';

const app = new Shell();
render(
  <AppContext.Provider value={app}>
    <Frame />
  </AppContext.Provider>,
  document.getElementById('page')!,
);
app.start();
