// The pages of the viewer, in the order of the navigation. Each has one line here.

import type { ComponentType } from 'preact';
import { AccountPage } from './account';
import { BeansPage } from './beans';
import { Board } from './board';
import { Definitions } from './definitions';
import { Events } from './events';
import { LoginPage } from './login';
import { Overview } from './overview';
import { PeoplePage } from './people';
import { Problems } from './problems';
import type { Role } from './session';
import { System } from './system';
import type { IconName } from './ui/marks';
import { TreePage } from './ui/treepage';

export interface Page {
  name: string; // in the address
  title: string;
  icon: IconName;
  view: ComponentType;
  need?: Role; // shown to those who have this role somewhere
  nav?: false; // not in the navigation: other pages lead there
  present?: true; // is of now, also while a moment of the past is shown
  bare?: true; // has the whole window: no header, navigation or node panel
}

export const pages: readonly Page[] = [
  { name: 'tree', title: 'Tree', icon: 'tree', view: TreePage },
  { name: 'overview', title: 'Overview', icon: 'overview', view: Overview },
  { name: 'problems', title: 'Problems', icon: 'problems', view: Problems },
  { name: 'events', title: 'Events', icon: 'events', view: Events },
  { name: 'definitions', title: 'Definitions', icon: 'definitions', view: Definitions, present: true },
  { name: 'system', title: 'System', icon: 'system', view: System, present: true },
  { name: 'board', title: 'Board', icon: 'board', view: Board, bare: true },
  { name: 'beans', title: 'Beans', icon: 'beans', view: BeansPage, present: true },
  { name: 'people', title: 'People', icon: 'people', view: PeoplePage, present: true, need: 'admin' },
  { name: 'account', title: 'Account', icon: 'account', view: AccountPage, present: true, nav: false },
  { name: 'login', title: 'Login', icon: 'key', view: LoginPage, nav: false, bare: true },
];
