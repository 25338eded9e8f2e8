import type { Driver, OpenDriver, ReaderPorts } from '../../driver.ts';
import type { OpenTransport } from '../../transport/transport.ts';
import { TerminalLine } from '../payment-terminal/terminal-line.ts';
import { TerminalScans } from '../payment-terminal/terminal-scans.ts';
import type { ZvtConfig, ZvtReadCardMode } from './config.ts';
import type { OpenZvtLink } from './link.ts';
import { serialLink, tcpLink } from './link.ts';
import { ListeningTap } from './listening-tap.ts';
import { ReadCardSession } from './read-card-session.ts';

/**
 * A payment terminal that speaks ZVT, as a reader of bank cards: what it tells of a card becomes a scan, the card number
 * never does.
 *
 * ```
 *   listen     register ══► till ══► terminal      transparent; a copy of Status Information is read
 *   read-card  till ── Read Card ──► terminal      the till is the register
 * ```
 * @param openTransport instead of the one the configuration names (read-card only)
 */
export function zvtDriver(config: ZvtConfig, openTransport?: OpenTransport): Driver {
  const { mode } = config;
  switch (mode.kind) {
    case 'listen':
      return (ports) => openListening(config, mode, ports);
    case 'read-card':
      return (ports) => openReadCard(config, mode, ports, openTransport);
  }
}

/** Listening in; where the register has to dial is known once it is open. */
export interface ListeningDriver extends OpenDriver {
  readonly port: number;
}

async function openListening(
  { terminal, tokens }: ZvtConfig,
  listen: { readonly host: string; readonly port: number },
  ports: ReaderPorts,
): Promise<ListeningDriver> {
  if (terminal.kind !== 'tcp')
    throw new TypeError('the configuration lets nobody listen in on a serial line');
  const scans = new TerminalScans(ports);
  return TerminalLine.open({
    readerId: ports.readerId,
    listen,
    terminal,
    clock: ports.clock,
    log: ports.log,
    signal: ports.signal,
    tap: () => new ListeningTap(ports, tokens, scans),
    onLost: (error) => ports.onLost(error),
  });
}

/** Reading cards; `request` asks for one. */
export interface ReadCardDriver extends OpenDriver {
  request(): void;
}

async function openReadCard(
  config: ZvtConfig,
  mode: ZvtReadCardMode,
  ports: ReaderPorts,
  openTransport: OpenTransport | undefined,
): Promise<ReadCardDriver> {
  return ReadCardSession.open({
    ports,
    mode,
    accepts: config.tokens,
    scans: new TerminalScans(ports),
    link: await linkTo(config.terminal, openTransport),
  });
}

async function linkTo(
  terminal: ZvtConfig['terminal'],
  openTransport: OpenTransport | undefined,
): Promise<OpenZvtLink> {
  switch (terminal.kind) {
    case 'tcp': {
      const { tcpTransport } = await import('../../transport/tcp.ts');
      return tcpLink(openTransport ?? tcpTransport(terminal));
    }
    case 'serial': {
      if (openTransport !== undefined) return serialLink(openTransport);
      const { serialTransport } = await import('../../transport/serial.ts');
      const { path, baudRate, stopBits } = terminal;
      return serialLink(
        serialTransport({ path, baudRate, stopBits, dataBits: 8, parity: 'none', rtscts: false }),
      );
    }
  }
}
