import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';

const root = new URL('../../', import.meta.url).pathname;
const NOT_SOURCE = new Set(['node_modules', 'dist', '.git', '.stammkunde', '.cache']);

export interface SourceFile {
  /** Path from the project's root, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

/** Every TypeScript and JavaScript file of the project, its comments blanked out. */
export function sourceFiles(): readonly SourceFile[] {
  return walk(root)
    .filter((path) => /\.(ts|tsx|js)$/.test(path))
    .map((path) => ({
      path: relative(root, path).replaceAll('\\', '/'),
      text: withoutComments(readFileSync(path, 'utf8')),
    }));
}

/** What a file imports, statically or dynamically, as written. */
export function importsOf(file: SourceFile): readonly string[] {
  const found = file.text.matchAll(/(?:\bfrom\s*|\bimport\s*\(\s*|\bimport\s+)(['"])([^'"\n]+)\1/g);
  return [...found].map((match) => match[2] ?? '');
}

function walk(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    if (NOT_SOURCE.has(name)) return [];
    const path = join(folder, name);
    return statSync(path).isDirectory() ? walk(path) : [path];
  });
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|[^:'"`])\/\/.*$/gm, '$1');
}
