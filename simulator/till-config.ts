import { stringify } from 'yaml';
import type { z } from 'zod';
import type { EdgeConfig } from '../edge/config.ts';
import { demoCardSchemes } from './demo-card-schemes.ts';
import { demoProgramme } from './demo-programme.ts';
import { READERS, TILL_WEDGE_LAYOUT } from './readers/counter.ts';
import type { CounterAddresses } from './readers/counter.ts';

/** What a simulator decides of a till's configuration; paths are absolute. */
export interface SimulatedTill {
  readonly tenant: string;
  readonly till: string;
  readonly store: string;
  readonly dataFolder: string;
  readonly keys: {
    readonly tillKeyFile: string;
    readonly identifierKeyFile: string;
    readonly serverPublicKeyFile: string;
  };
  readonly broker: { readonly port: number; readonly passwordFile: string };
  readonly scannerPath: string;
  readonly scannerPort: number;
  /** The other readers of a counter; absent for a till with those two scanners alone. */
  readonly counter?: CounterAddresses;
  readonly api: { readonly port: number; readonly tokenFile: string; readonly displayTokenFile: string };
}

/** The till's configuration file. */
export function tillYaml(till: SimulatedTill): string {
  const config: z.input<typeof EdgeConfig> = {
    tenant: till.tenant,
    till: till.till,
    store: till.store,
    currency: demoProgramme.currency,
    dataFolder: till.dataFolder,
    keys: till.keys,
    broker: {
      url: `mqtt://127.0.0.1:${till.broker.port}`,
      username: till.till,
      passwordFile: till.broker.passwordFile,
      // A person who pulls the network wants to see what happens, and within seconds.
      keepaliveSeconds: 5,
      reconnect: { firstMs: 250, maxMs: 2_000 },
    },
    readers: [
      { id: READERS.serial, kind: 'serial', path: till.scannerPath },
      { id: READERS.tcp, kind: 'tcp', host: '127.0.0.1', port: till.scannerPort },
      ...(till.counter === undefined ? [] : counterReaders(till.counter)),
    ],
    cardSchemes: demoCardSchemes,
    api: till.api,
  };
  return `# Written by the simulator at each start.\n${stringify(config)}`;
}

function counterReaders(at: CounterAddresses): NonNullable<z.input<typeof EdgeConfig>['readers']> {
  const host = '127.0.0.1';
  return [
    {
      id: READERS['serial-stx'],
      kind: 'serial',
      path: at.stxPath,
      framing: { kind: 'delimited', terminators: [], stxEtx: true },
    },
    { id: READERS['hid-pos'], kind: 'hid-pos', device: { host, port: at.hidPosPort } },
    { id: READERS.ibm, kind: 'ibm-hand-held', device: { host, port: at.ibmPort } },
    {
      id: READERS['wedge-de'],
      kind: 'keyboard-wedge',
      device: { host, port: at.wedgePort },
      layout: TILL_WEDGE_LAYOUT,
    },
    { id: READERS.msr, kind: 'magstripe', device: { host, port: at.stripePort } },
    {
      id: READERS.zvt,
      kind: 'zvt',
      terminal: { kind: 'tcp', host, port: at.terminalPort },
      // Nobody leaves a virtual card in the terminal; a person holds it out again at once.
      mode: { kind: 'read-card', sameCardMs: 500 },
    },
  ];
}
