import type { Driver } from '../../driver.ts';
import { TerminalLine } from '../payment-terminal/terminal-line.ts';
import { TerminalScans } from '../payment-terminal/terminal-scans.ts';
import type { OpiConfig } from './config.ts';
import { OpiListeningTap } from './listening-tap.ts';
import { warmUpOpiReading } from './read-message.ts';

/**
 * A payment terminal that speaks O.P.I., as a reader of bank cards.
 *
 * ```
 *   register ══► till ══► terminal      channel 0, transparent; a copy of the responses is read
 *   register ◄═══════════ terminal      channel 1 (display, printer) does not come by here
 * ```
 */
export function opiDriver(config: OpiConfig): Driver {
  const names = { par: config.parNames, tokens: config.tokenNames };
  return async (ports) => {
    warmUpOpiReading(names);
    const scans = new TerminalScans(ports);
    return TerminalLine.open({
      readerId: ports.readerId,
      listen: config.listen,
      terminal: config.terminal,
      clock: ports.clock,
      log: ports.log,
      signal: ports.signal,
      tap: () => new OpiListeningTap(ports, names, scans),
      onLost: (error) => ports.onLost(error),
    });
  };
}
