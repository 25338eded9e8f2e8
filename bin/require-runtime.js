import { bundledNode } from './bundled-node.js';

/** The oldest Node.js all of it runs on: calendars need Temporal; the SQLite binary and type stripping were content with 24. */
const OLDEST_MAJOR = 26;

const major = Number(process.versions.node.split('.')[0]);
if (major < OLDEST_MAJOR) {
  const bundled = bundledNode();
  process.stderr.write(
    `Stammkunde needs Node.js ${OLDEST_MAJOR} or newer and this is ${process.versions.node}: ${
      bundled === undefined ? 'install a newer one' : `start it with the one installed beside it, ${bundled}`
    }.\n`,
  );
  process.exit(1);
}
