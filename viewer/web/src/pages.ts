// The pages of the viewer, in the order of the navigation. Each has one line here.

import type { ComponentType } from 'preact';
import { Board } from './board';
import { Events } from './events';
import { LoginPage } from './login';
import { Overview } from './overview';
import { Problems } from './problems';
import type { Role } from './session';
import { lazy } from './ui/lazy';
import type { IconName } from './ui/marks';
import { TreePage } from './ui/treepage';

export interface Page {
  name: string; // in the address
  title: string;
  icon: IconName;
  view: ComponentType;
  need?: Role; // shown to those who have this role somewhere
  nav?: false; // not in the navigation: other pages lead there
  of?: string; // the page of the navigation that it belongs to
  present?: true; // is of now, also while a moment of the past is shown
  bare?: true; // has the whole window: no header, navigation or node panel
}

export const pages: readonly Page[] = [
  { name: 'tree', title: 'Tree', icon: 'tree', view: TreePage },
  { name: 'overview', title: 'Overview', icon: 'overview', view: Overview },
  { name: 'problems', title: 'Problems', icon: 'problems', view: Problems },
  { name: 'alerts', title: 'Alerts', icon: 'bell', view: lazy('Alerts'), present: true },
  { name: 'events', title: 'Events', icon: 'events', view: Events },
  { name: 'definitions', title: 'Definitions', icon: 'definitions', view: lazy('Definitions'), present: true },
  { name: 'system', title: 'System', icon: 'system', view: lazy('System'), present: true },
  { name: 'peers', title: 'Peers', icon: 'managers', view: lazy('PeersPage'), present: true },
  { name: 'board', title: 'Board', icon: 'board', view: Board, bare: true },
  { name: 'beans', title: 'Beans', icon: 'beans', view: lazy('BeansPage'), present: true },
  { name: 'people', title: 'People', icon: 'people', view: lazy('PeoplePage'), present: true, need: 'admin' },
  { name: 'maintenance', title: 'Maintenance', icon: 'wrench', view: lazy('MaintenancePage'), present: true, nav: false, of: 'alerts' },
  { name: 'routes', title: 'Routes', icon: 'route', view: lazy('RoutesPage'), present: true, nav: false, of: 'alerts' },
  { name: 'outbox', title: 'Outbox', icon: 'outbox', view: lazy('OutboxPage'), present: true, nav: false, of: 'alerts' },
  { name: 'what-if', title: 'What if', icon: 'what', view: lazy('WhatIfPage'), present: true, nav: false, of: 'alerts' },
  { name: 'account', title: 'Account', icon: 'account', view: lazy('AccountPage'), present: true, nav: false },
  { name: 'login', title: 'Login', icon: 'key', view: LoginPage, nav: false, bare: true },
];
