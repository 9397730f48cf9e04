// Where trees of other managers hang in this one, for the pages that show the tree.

import { useMemo } from 'preact/hooks';
import { useApp } from '../app';
import { useReading } from '../definitions/read';
import { may } from '../session';
import { type Overview, fetchPeers } from './api';

/** Branch is a joined tree. */
export interface Branch {
  path: string;
  manager: string; // its name
  lost: number | undefined; // since when its link is lost, unix milliseconds
}

const someMs = 2000;
const noneMs = 60_000; // who has no peers is asked now and then

/** branchesOf are the joined trees among what managers say. */
export function branchesOf(peers: Pick<Overview, 'managers'> | undefined): Branch[] {
  return (peers?.managers ?? []).flatMap((m) => (m.branch ? [{ path: m.branch, manager: m.name, lost: m.link && !m.link.up ? Date.parse(m.link.since) : undefined }] : []));
}

/** useBranches follows them, for those who may see other managers. */
export function useBranches(): readonly Branch[] {
  const app = useApp();
  const asks = app.at === undefined && may(app.session, 'viewer');
  const first = useReading(asks ? 'first' : 'none', async (signal) => (asks ? branchesOf(await fetchPeers(signal)) : []), asks ? noneMs : 0);
  const some = (first.value?.length ?? 0) > 0;
  const more = useReading(some ? 'some' : 'none', async (signal) => (some ? branchesOf(await fetchPeers(signal)) : []), some ? someMs : 0);
  return useMemo(() => (some ? (more.value ?? first.value) : first.value) ?? [], [some, more.value, first.value]);
}
