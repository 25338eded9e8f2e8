import { existsSync, readFileSync } from 'node:fs';

/** The version of this program, from its package: one folder up in a checkout, two in the published build. */
export function programVersion(): string {
  const [found] = ['../package.json', '../../package.json']
    .map((path) => new URL(path, import.meta.url))
    .filter((url) => existsSync(url));
  if (found === undefined) return 'unknown';
  const manifest: unknown = JSON.parse(readFileSync(found, 'utf8'));
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest
    ? String(manifest.version)
    : 'unknown';
}
