// Builds the page into dist, or into the folder that OUT names: a script and a style sheet with hashed names, further
// scripts for the pages that are fetched when they are first opened, the icons, and an index.html that names what a
// browser needs at once. Go embeds dist into the binary.
import { build } from 'esbuild';
import { cp, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const here = dirname(fileURLToPath(import.meta.url));
const dist = process.env.OUT ?? join(here, 'dist');

await mkdir(dist, { recursive: true });
for (const name of await readdir(dist)) {
  if (name !== '.gitkeep') await rm(join(dist, name), { recursive: true });
}

/**
 * The chart draws straight lines. uPlot offers its other ways to draw as properties of
 * itself, which keeps a bundler from leaving them out: the lines that offer them are
 * taken away. Another version of uPlot that has them no more fails here.
 */
const slimCharts = {
  name: 'slim charts',
  setup(builder) {
    builder.onLoad({ filter: /uPlot\.esm\.js$/ }, async ({ path }) => {
      let contents = await readFile(path, 'utf8');
      for (const line of ['uPlot.join = join;', '(paths.stepped = stepped);', '(paths.bars    = bars);', '(paths.spline  = monotoneCubic);']) {
        if (!contents.includes(line)) throw new Error(`${path} has no line ${line}`);
        contents = contents.replace(line, '');
      }
      return { contents, loader: 'js' };
    });
  },
};

const result = await build({
  absWorkingDir: here,
  entryPoints: { page: 'src/main.tsx', style: 'src/style.css' },
  outdir: dist,
  entryNames: '[name]-[hash]',
  chunkNames: 'part-[hash]',
  bundle: true,
  splitting: true,
  format: 'esm',
  target: ['chrome123', 'firefox120', 'safari17.5'],
  jsx: 'automatic',
  jsxImportSource: 'preact',
  minify: true,
  legalComments: 'none',
  metafile: true,
  plugins: [slimCharts],
  logLevel: 'warning',
});

const { outputs } = result.metafile;
const entry = Object.keys(outputs).find((path) => outputs[path].entryPoint === 'src/main.tsx');
/** The scripts that the first one imports: a browser that knows them at once fetches all together. */
const first = new Set([entry]);
for (const path of first) {
  for (const { path: other, kind } of outputs[path].imports) if (kind === 'import-statement') first.add(other);
}
const [script, ...parts] = [...first].map((path) => basename(path));
const style = Object.keys(outputs).map((path) => basename(path)).find((name) => name.endsWith('.css'));
const page = (await readFile(join(here, 'static/index.html'), 'utf8'))
  .replace('%STYLE%', style)
  .replace('%SCRIPT%', script)
  .replace('  %PARTS%\n', parts.map((name) => `  <link rel="modulepreload" href="${name}">\n`).join(''));
await cp(join(here, 'static'), dist, { recursive: true });
await writeFile(join(dist, 'index.html'), page);

// What a browser fetches before it shows anything, as compressed as it gets on its way.
const budget = 120_000;
let total = 0;
for (const name of [script, ...parts, style]) {
  const bytes = await readFile(join(dist, name));
  const zipped = gzipSync(bytes, { level: 9 }).length;
  total += zipped;
  console.log(`${name}  ${(bytes.length / 1000).toFixed(1)} kB, ${(zipped / 1000).toFixed(1)} kB gzip`);
}
console.log(`together  ${(total / 1000).toFixed(1)} kB gzip of ${budget / 1000} kB, and ${Object.keys(outputs).length - first.size - 1} scripts for later`);
