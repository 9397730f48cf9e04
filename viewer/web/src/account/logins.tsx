// Where somebody is logged in.

import { moment } from '../format';
import { toast } from '../ui/dialog';
import { ErrorText, words } from '../ui/form';
import { type Login, endLogin, endLogins, fetchLogins } from './api';
import { useFetched } from './fetched';

/** Logins are those of a user, or one's own. */
export function Logins({ user }: { user?: string }) {
  const { value: logins, error, again } = useFetched((signal) => fetchLogins(user, signal), [user]);
  const end = async (work: () => Promise<unknown>, done: string) => {
    try {
      await work();
      toast(done);
    } catch (problem) {
      toast(words(problem));
    }
    again();
  };
  const others = logins?.filter((l) => !l.current).length ?? 0;
  return (
    <div class="logins">
      <ErrorText text={error} />
      {logins && logins.length > 0 ? (
        <ul class="things">
          {logins.map((l) => (
            <li key={l.id}>
              <div class="thing">
                <b>{browserOf(l)}</b>
                {l.current ? <span class="note">this one</span> : null}
                <p class="soft">
                  {l.address ? `From ${l.address}. ` : ''}
                  {l.last_seen ? `Last seen ${moment(Date.parse(l.last_seen))}. ` : ''}
                  {l.expires ? `Ends ${moment(Date.parse(l.expires))}.` : ''}
                </p>
              </div>
              {l.current ? null : <button onClick={() => void end(() => endLogin(l.id), 'That login is ended.')}>Log out there</button>}
            </li>
          ))}
        </ul>
      ) : logins ? (
        <p class="soft">Nowhere.</p>
      ) : null}
      {others > 1 ? (
        <div>
          <button onClick={() => void end(() => endLogins(user), 'The other logins are ended.')}>Log out everywhere{user === undefined ? ' else' : ''}</button>
        </div>
      ) : null}
    </div>
  );
}

/** browserOf names the browser behind a login, as far as its word can be taken for it. */
function browserOf(l: Login): string {
  const agent = l.agent ?? '';
  const browser = /(Edg|OPR|Firefox|Chrome|Safari|curl|grove)/.exec(agent.replace(/Chrome\/\S+ Safari\/\S+ (Edg|OPR)/, '$1'))?.[1];
  const system = /(Android|iPhone|iPad|Windows|Mac OS X|Linux)/.exec(agent)?.[1];
  const named = { Edg: 'Edge', OPR: 'Opera' }[browser ?? ''] ?? browser;
  return [named, system && `on ${system.replace('Mac OS X', 'macOS')}`].filter(Boolean).join(' ') || agent.slice(0, 60) || 'Unknown program';
}
