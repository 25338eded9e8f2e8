import { execFileSync } from 'node:child_process';
import { projectFile } from './run-program.ts';

/** Builds the cashier's page once before all tests, as it is published: the daemon's tests serve it as a till would. */
export default function buildDisplay(): void {
  execFileSync(
    process.execPath,
    [
      projectFile('node_modules/vite/bin/vite.js'),
      'build',
      projectFile('edge/display'),
      '--logLevel',
      'warn',
    ],
    { env: { ...process.env, NODE_ENV: 'production' }, stdio: 'inherit' },
  );
}
