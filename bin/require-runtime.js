/** The oldest Node.js the bundled SQLite binary and type stripping run on. */
const OLDEST_MAJOR = 24;

const major = Number(process.versions.node.split('.')[0]);
if (major < OLDEST_MAJOR) {
  process.stderr.write(
    `Stammkunde needs Node.js ${OLDEST_MAJOR} or newer and this is ${process.versions.node}: start it through npm (npm start, npx stammkunde-edge), which uses the Node.js installed with the project.\n`,
  );
  process.exit(1);
}
