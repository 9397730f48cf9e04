// How people say when something is maintained, how rows of alerts are put below each other,
// and what was told of one.

import assert from 'node:assert/strict';
import test from 'node:test';
import { dayOf, fieldTime, inZone, readField, readSpan, alertRows, momentsOf, placesOf, ruleOf, ruleText, tellingOf, tellingsOf, wallIn } from '../node_modules/.cache/grove/model.mjs';

const repeat = { frequency: 'once', every: 1, days: [], day: 1, nth: 1, weekday: 'SU', until: '', own: '' };

test('what people choose becomes a rule, and a rule is said in words', () => {
  const cases = [
    [{}, '', 'once'],
    [{ frequency: 'daily' }, 'FREQ=DAILY', 'every day'],
    [{ frequency: 'daily', every: 3, until: '2026-12-24' }, 'FREQ=DAILY;INTERVAL=3;UNTIL=20261224T235959Z', 'every 3 days until 2026-12-24'],
    [{ frequency: 'weekly', days: ['SU', 'SA'] }, 'FREQ=WEEKLY;BYDAY=SA,SU', 'every week on Saturday, Sunday'],
    [{ frequency: 'weekly', every: 2 }, 'FREQ=WEEKLY;INTERVAL=2', 'every 2 weeks'],
    [{ frequency: 'monthly-day', day: 15 }, 'FREQ=MONTHLY;BYMONTHDAY=15', 'every month on day 15'],
    [{ frequency: 'monthly-day', day: -1 }, 'FREQ=MONTHLY;BYMONTHDAY=-1', 'every month on the last day'],
    [{ frequency: 'monthly-weekday', nth: -1, weekday: 'FR' }, 'FREQ=MONTHLY;BYDAY=-1FR', 'every month on the last Friday'],
    [{ frequency: 'own', own: ' FREQ=YEARLY ' }, 'FREQ=YEARLY', 'FREQ=YEARLY'],
  ];
  for (const [choice, rule, words] of cases) {
    assert.equal(ruleOf({ ...repeat, ...choice }), rule);
    assert.equal(ruleText(rule), words);
  }
  for (const rule of ['FREQ=WEEKLY;BYDAY=XX', 'FREQ=DAILY;BYHOUR=3', 'FREQ=MONTHLY;BYDAY=1SU,2SU', 'FREQ=DAILY;BYDAY=SU']) assert.equal(ruleText(rule), rule);
});

test('a clock of a zone is read as a moment, also near a change of the clock', () => {
  const cases = [
    ['2026-01-15T04:00', 'Europe/Berlin', '2026-01-15T03:00:00.000Z'],
    ['2026-07-15T04:00', 'Europe/Berlin', '2026-07-15T02:00:00.000Z'],
    ['2026-03-29T01:59', 'Europe/Berlin', '2026-03-29T00:59:00.000Z'],
    ['2026-03-29T03:00', 'Europe/Berlin', '2026-03-29T01:00:00.000Z'],
    ['2026-10-25T04:00', 'Europe/Berlin', '2026-10-25T03:00:00.000Z'],
    ['2026-01-01T00:30', 'Asia/Kolkata', '2025-12-31T19:00:00.000Z'],
    ['2026-01-01T00:30', 'UTC', '2026-01-01T00:30:00.000Z'],
  ];
  for (const [wall, zone, want] of cases) {
    const at = inZone(wall, zone);
    assert.equal(new Date(at).toISOString(), want, `${wall} ${zone}`);
    assert.equal(wallIn(at, zone), wall);
  }
  assert.ok(Number.isNaN(inZone('2026-01-01T00:30', 'Nowhere/At all')));
  assert.ok(Number.isNaN(inZone('', 'UTC')));
  assert.deepEqual(['2026-11-22', '2026-11-23', '2026-11-28T04:00'].map(dayOf), ['SU', 'MO', 'SA']);
});

test('spans and moments are read as people type them', () => {
  assert.deepEqual(['90m', '3h30m', '2d', '1h 15min', '1.5h', '', '2', 'h', '2x', '1h foo'].map(readSpan), [5_400_000, 12_600_000, 172_800_000, 4_500_000, 5_400_000, NaN, NaN, NaN, NaN, NaN]);
  const at = Date.UTC(2026, 10, 22, 5, 40);
  for (const utc of [true, false]) assert.equal(readField(fieldTime(at, utc), utc), at);
  assert.equal(fieldTime(at, true), '2026-11-22T05:40');
  assert.equal(fieldTime(NaN, true), '');
  assert.ok(Number.isNaN(readField('', false)));
});

test('consequences stand below their causes and nowhere else, and circles end', () => {
  const a = (id) => ({ id });
  const ids = (rows) => rows.map((r) => '-'.repeat(r.level) + r.alert.id).join(' ');
  const below = new Map([
    ['1', [a('2'), a('3')]],
    ['3', [a('4')]],
  ]);
  assert.equal(ids(alertRows([a('1'), a('5')], below, new Set(), 0)), '1 5');
  assert.equal(ids(alertRows([a('1'), a('3'), a('5')], below, new Set(['1']), 0)), '1 -2 -3 5');
  assert.equal(ids(alertRows([a('1'), a('5')], below, new Set(['1', '3']), 0)), '1 -2 -3 --4 5');
  const circle = new Map([
    ['1', [a('2')]],
    ['2', [a('1')]],
  ]);
  assert.equal(ids(alertRows([a('1'), a('2')], circle, new Set(['1', '2']), 0)), '1 -2');
});

test('who was told is read from lines of the journal at a node and above it', () => {
  assert.deepEqual(placesOf('/shop/web1/CPU'), ['/shop/web1/CPU', '/shop/web1', '/shop', '/']);
  assert.deepEqual(placesOf('/'), ['/']);
  const at = (minute, text, path = '/a') => ({ time: `2026-01-01T10:0${minute}:00Z`, path, text });
  assert.deepEqual(tellingOf(at(1, 'told hook, boss: firing')), { time: '2026-01-01T10:01:00Z', path: '/a', channels: 'hook, boss', purpose: 'firing' });
  for (const text of [undefined, '', 'opened: told: nothing', 'told hook', 'told : firing']) assert.equal(tellingOf(at(1, text)), undefined);
  const lines = [at(9, 'told hook: resolved'), at(5, 'told hook: resolved'), at(5, 'told ops: firing', '/'), at(6, 'told ops: resolved', '/'), at(1, 'told hook: firing'), at(8, 'told hook: firing')];
  const cases = [
    ['one that stands', {}, ['1 firing', '5 resolved', '5 firing', '6 resolved', '8 firing', '9 resolved']],
    ['one that is over: that it is, and nothing of the next', { resolved: '2026-01-01T10:04:00Z' }, ['1 firing', '5 resolved']],
    ['one of several that are over', { resolved: '2026-01-01T10:05:30Z' }, ['1 firing', '5 resolved', '5 firing', '6 resolved']],
  ];
  for (const [name, alert, want] of cases) assert.deepEqual(tellingsOf(alert, lines).map((t) => `${t.time[15]} ${t.purpose}`), want, name);
});

test('steps of an alert and who was told stand in order of time', () => {
  const step = (time, what) => ({ time, what, status: 'red' });
  const told = [{ time: '2026-01-01T10:00:10.500Z', path: '/a', channels: 'hook', purpose: 'firing' }];
  const moments = momentsOf([step('2026-01-01T10:00:00Z', 'opened'), step('2026-01-01T10:00:10.6Z', 'acknowledged')], told);
  assert.deepEqual(moments.map((m) => m.step?.what ?? m.told.purpose), ['opened', 'firing', 'acknowledged']);
});
