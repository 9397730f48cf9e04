// What the unit tests look at, bundled for node by run.mjs.
export * from '../src/wire';
export * from '../src/tree';
export * from '../src/rows';
export * from '../src/filter';
export * from '../src/scroll';
export * from '../src/format';
export * from '../src/route';
export * from '../src/feed';
export * from '../src/path';
export * from '../src/announce';
export * from '../src/node/level';
export * from '../src/node/series';
export * from '../src/overview/pack';
export * from '../src/alerts/rows';
export * from '../src/alerts/told';
export * from '../src/maintenance/rule';
export * from '../src/ui/when';
