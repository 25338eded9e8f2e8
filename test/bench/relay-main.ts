import { openPty } from '../../drivers/transport/pty.ts';
import { serialTransport } from '../../drivers/transport/serial.ts';
import { SystemClock } from '../../foundation/clock.ts';

/**
 * The floor of passing a scan through: bytes of one serial port go to a pseudo-terminal as they come, with the same
 * libraries in a process of its own, and nothing is made of them.
 */
const [from = '', to = ''] = process.argv.slice(2);
const clock = new SystemClock();
const pty = await openPty({ link: to });
await serialTransport({
  path: from,
  baudRate: 9600,
  dataBits: 8,
  stopBits: 1,
  parity: 'none',
  rtscts: false,
})({
  clock,
  signal: new AbortController().signal,
  onBytes: (chunk) => void pty.writeNow(chunk),
  onLost: () => process.exit(0),
});
