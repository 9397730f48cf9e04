// How somebody wants the page to be. The server keeps it for each user; this browser keeps
// a copy, so that the page has the right look before the server answers.

export type Theme = 'system' | 'light' | 'dark';
export type Zone = 'local' | 'utc';

/** Preferences are the answer of GET api/v1/me/preferences. */
export interface Preferences {
  theme: Theme;
  zone: Zone; // of the times that are shown
  sound: boolean; // when something turns red
}

export const defaults: Preferences = { theme: 'system', zone: 'local', sound: false };

/** preferencesOf takes from an answer what it knows. */
export function preferencesOf(value: unknown): Preferences {
  const v = (value ?? {}) as Partial<Record<keyof Preferences, unknown>>;
  return {
    theme: v.theme === 'light' || v.theme === 'dark' ? v.theme : 'system',
    zone: v.zone === 'utc' ? 'utc' : 'local',
    sound: v.sound === true,
  };
}

const key = 'grove.preferences';

/** mirrored is what this browser remembers. */
export function mirrored(): Preferences {
  try {
    return preferencesOf(JSON.parse(localStorage.getItem(key) ?? 'null'));
  } catch {
    return defaults; // storage may be forbidden
  }
}

/** mirror keeps the preferences in this browser. */
export function mirror(p: Preferences): void {
  try {
    localStorage.setItem(key, JSON.stringify(p));
  } catch {
    // They hold until the page is closed.
  }
}

/** applyTheme makes the page light or dark, or as the system says. */
export function applyTheme(theme: Theme): void {
  if (theme === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}
