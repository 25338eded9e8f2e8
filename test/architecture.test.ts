// Goal: the arrows between the rooms, and each outside library's one home, hold for every file.
// Method: read every import of every source file; no build graph that could come out empty unnoticed.
import { posix } from 'node:path';
import { describe, expect, test } from 'vitest';
import { importsOf, sourceFiles } from './support/source-files.ts';
import type { SourceFile } from './support/source-files.ts';

const files = sourceFiles();

/** What each room may import of ours. */
const arrows: Readonly<Record<string, readonly string[]>> = {
  bin: [],
  foundation: [],
  drivers: ['foundation'],
  sync: ['foundation'],
  edge: ['foundation', 'drivers', 'sync'],
  server: ['foundation', 'sync'],
  simulator: ['foundation', 'drivers', 'sync', 'edge', 'server'],
  test: ['foundation', 'drivers', 'sync', 'edge', 'server', 'simulator'],
};

/** The only places that import a library; tests may import anything. */
const homes: Readonly<Record<string, readonly string[]>> = {
  serialport: ['drivers/transport/'],
  '@serialport/parser-readline': ['drivers/transport/'],
  mqtt: ['sync/mqtt/'],
  rxdb: ['edge/replica/'],
  rxjs: ['edge/replica/'],
  'better-sqlite3-multiple-ciphers': ['edge/replica/', 'edge/journal/', 'edge/app-code/'],
  aedes: ['server/broker/'],
  kysely: ['server/'],
  '@electric-sql/pglite': ['server/database/'],
  pg: ['server/database/'],
  fastify: ['edge/api/', 'server/api/'],
  pino: ['foundation/log.ts'],
  yaml: ['foundation/yaml-config.ts', 'simulator/'],
  'node-hid': ['drivers/transport/'],
  'fast-xml-parser': ['drivers/protocol/opi/'],
  'bwip-js': ['simulator/cards/'],
  pdfkit: ['simulator/cards/'],
  '@lydell/node-pty': ['drivers/transport/'],
  '@faker-js/faker': ['simulator/'],
  react: ['edge/display/'],
  'react-dom': ['edge/display/'],
};

function roomOf(path: string): string | undefined {
  const [first = ''] = path.split('/');
  return first in arrows ? first : undefined;
}

/** The project path a relative import points to, or undefined for a library. */
function target(file: SourceFile, specifier: string): string | undefined {
  return specifier.startsWith('.')
    ? posix.normalize(posix.join(posix.dirname(file.path), specifier))
    : undefined;
}

function inside(path: string, specifier: string): string {
  return posix.normalize(posix.join(posix.dirname(path), specifier));
}

function library(specifier: string): string | undefined {
  if (specifier.startsWith('.') || specifier.startsWith('node:')) return undefined;
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

function violations(rule: (file: SourceFile, specifier: string) => string | undefined): string[] {
  return files.flatMap((file) => importsOf(file).flatMap((specifier) => rule(file, specifier) ?? []));
}

describe('the rooms', () => {
  test('are all seen: every room has files, and their imports are found', () => {
    const rooms = new Set(files.map((file) => roomOf(file.path)));
    expect(Object.keys(arrows).filter((room) => !rooms.has(room))).toEqual([]);
    expect(files.flatMap((file) => importsOf(file)).length).toBeGreaterThan(300);
  });

  test('import along the arrows only', () => {
    const wrong = violations((file, specifier) => {
      const from = roomOf(file.path);
      const to = roomOf(target(file, specifier) ?? '');
      if (from === undefined || to === undefined || from === to || arrows[from]?.includes(to) === true)
        return undefined;
      return `${file.path} imports ${specifier}`;
    });
    expect(wrong).toEqual([]);
  });

  test('edge/replica/storage could be a package of its own', () => {
    const wrong = violations((file, specifier) => {
      const to = target(file, specifier);
      if (!file.path.startsWith('edge/replica/storage/') || to === undefined) return undefined;
      return to.startsWith('edge/replica/storage/') || to.startsWith('foundation/')
        ? undefined
        : `${file.path} imports ${specifier}`;
    });
    expect(wrong).toEqual([]);
  });

  test('the cashier’s page takes nothing but types from the daemon, and of the foundation only what browsers have', () => {
    const inBrowsers = new Set(['foundation/clock.ts', 'foundation/retry-schedule.ts']);
    for (const file of files.filter(({ path }) => inBrowsers.has(path)))
      expect(importsOf(file).filter((each) => each.startsWith('node:'))).toEqual([]);
    const wrong = files
      .filter((file) => file.path.startsWith('edge/display/'))
      .flatMap((file) =>
        [...file.text.matchAll(/import\s+(?!type\b)[^;]*?from\s+'(\.\.\/[^']+)'/g)].map((match) => ({
          file: file.path,
          specifier: match[1] ?? '',
        })),
      )
      .filter(
        ({ file, specifier }) =>
          !inside(file, specifier).startsWith('edge/display/') && !inBrowsers.has(inside(file, specifier)),
      )
      .map(({ file, specifier }) => `${file} imports ${specifier}`);
    expect(wrong).toEqual([]);
  });
});

describe('outside libraries', () => {
  test('each is imported in its home only', () => {
    const wrong = violations((file, specifier) => {
      const name = library(specifier);
      const allowed = name === undefined ? undefined : homes[name];
      if (allowed === undefined || file.path.startsWith('test/') || file.path.endsWith('.config.ts'))
        return undefined;
      return allowed.some((home) => file.path.startsWith(home))
        ? undefined
        : `${file.path} imports ${specifier}`;
    });
    expect(wrong).toEqual([]);
  });

  test('every home is lived in', () => {
    const used = new Set(files.flatMap((file) => importsOf(file).map(library)));
    expect(Object.keys(homes).filter((name) => !used.has(name))).toEqual([]);
  });
});

describe('what only one place may touch', () => {
  const product = files.filter((file) =>
    /^(foundation|drivers|sync|edge|server|simulator)\//.test(file.path),
  );
  const offenders = (pattern: RegExp, allowed: (path: string) => boolean): string[] =>
    product.filter((file) => pattern.test(file.text) && !allowed(file.path)).map((file) => file.path);

  test('signals and exit codes belong to the programs’ main files', () => {
    expect(offenders(/process\.(on|once|exit|exitCode)\b/, (path) => /(^|\/|-)main\.ts$/.test(path))).toEqual(
      [],
    );
  });

  test('the clock is read in one file, and in the page’s own', () => {
    const allowed = new Set(['foundation/clock.ts', 'edge/display/clock.ts']);
    expect(
      offenders(/\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(|\bset(?:Timeout|Interval)\(/, (path) =>
        allowed.has(path),
      ),
    ).toEqual([]);
  });

  test('randomness is drawn in one file, and in the page’s own', () => {
    const allowed = new Set(['foundation/random.ts', 'edge/display/clock.ts']);
    expect(
      offenders(/\bMath\.random\(|\brandom(?:Bytes|UUID|FillSync|Int)\(/, (path) => allowed.has(path)),
    ).toEqual([]);
  });
});
