// The pages that are fetched when the first of them is opened.

export { AccountPage } from './account';
export { Alerts } from './alerts';
export { BeansPage } from './beans';
export { Definitions } from './definitions';
export { MaintenancePage } from './maintenance';
export { OutboxPage } from './outbox';
export { PeersPage } from './peers';
export { PeoplePage } from './people';
export { RoutesPage } from './routes';
export { System } from './system';
export { WhatIfPage } from './whatif';
