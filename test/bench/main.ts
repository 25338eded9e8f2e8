import { asError } from '../../foundation/errors.ts';
import { identifyBench } from './identify.ts';

const USAGE = 'npm run bench -- identify [--customers N] [--scans N] [--json]\n';

const [name, ...args] = process.argv.slice(2);
try {
  if (name === 'identify') {
    await identifyBench(args);
  } else {
    process.stderr.write(USAGE);
    process.exitCode = 2;
  }
} catch (error) {
  process.stderr.write(`${asError(error).message}\n`);
  process.exitCode = 1;
}
