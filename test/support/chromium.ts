import { accessSync, constants } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

/** Where distributions put it; `CHROMIUM` in the environment goes before. */
const USUAL_PATHS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Chromium talks to nobody but the page's server. */
const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Why browser tests are left out where {@link findChromium} finds none. */
export const NO_CHROMIUM = 'no Chromium installed (apt-get install chromium, or set CHROMIUM to its path)';

/** The path of an installed Chromium, or null. */
export function findChromium(): string | null {
  const asked = process.env['CHROMIUM'];
  const paths = asked === undefined ? USUAL_PATHS : [asked];
  return paths.find((path) => isExecutable(path)) ?? null;
}

/** Starts a browser without a window; close it with `close()`. */
export function launchChromium(executablePath: string): Promise<Browser> {
  return chromium.launch({ executablePath, args: ARGUMENTS });
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
