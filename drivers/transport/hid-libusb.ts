import { createRequire } from 'node:module';
import type * as NodeHid from 'node-hid';

const require = createRequire(import.meta.url);

/** node-hid 3.4 keeps the native library it chose in these two modules, the second as the name it looks for. */
const keepers = ['node-hid', 'node-hid/binding-options.js'].map((name) => require.resolve(name));

/**
 * node-hid on libusb. The choice between its two native libraries is one for the whole process and final with the first
 * call, so this is a second instance of the module, made beside the one that everybody else gets.
 */
export const libusbHid: typeof NodeHid = secondInstance();

function secondInstance(): typeof NodeHid {
  const others = keepers.map((path) => require.cache[path]);
  for (const path of keepers) delete require.cache[path];
  try {
    // What `require` gives is untyped; this is the module its types describe.
    const hid = require('node-hid') as typeof NodeHid;
    hid.setDriverType('libusb');
    hid.getHidapiVersion(); // makes it choose now
    return hid;
  } finally {
    for (const [index, path] of keepers.entries()) {
      const other = others[index];
      if (other === undefined) delete require.cache[path];
      else require.cache[path] = other;
    }
  }
}
