// Runs a command with the Node.js installed with the project, whatever Node.js npm itself runs on:
//   node bin/with-node.js vitest run
// The command and all it starts find that Node.js first; without one for this machine they get the one there is.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { delimiter, dirname } from 'node:path';
import { bundledNode } from './bundled-node.js';

const [command, ...args] = process.argv.slice(2);
if (command === undefined) {
  process.stderr.write('usage: node bin/with-node.js COMMAND [ARGUMENT …]\n');
  process.exit(1);
}

const node = bundledNode();
const path = process.env['PATH'] ?? '';
const child = spawn(command === 'node' && node !== undefined ? node : command, args, {
  stdio: 'inherit',
  env: { ...process.env, PATH: node === undefined ? path : `${dirname(node)}${delimiter}${path}` },
  // The commands of packages are .cmd files there.
  shell: process.platform === 'win32' && command !== 'node',
});
// A terminal sends Ctrl-C to both; the child decides when it is over. What is sent to this process alone is passed on.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => child.kill('SIGTERM'));
process.on('SIGHUP', () => child.kill('SIGHUP'));
child.on('error', (error) => {
  process.stderr.write(`${command} cannot be run: ${error.message}\n`);
  process.exit(1);
});
child.on('exit', (code, signal) =>
  process.exit(code ?? 128 + (signal === null ? 0 : constants.signals[signal])),
);
