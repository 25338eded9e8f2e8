import { identifyBench } from './identify.ts';

const USAGE = `npm run bench -- identify [--customers N] [--scans N] [--json]\n`;

const [name, ...args] = process.argv.slice(2);
if (name === 'identify') {
  await identifyBench(args);
} else {
  process.stderr.write(USAGE);
  process.exitCode = 2;
}
