import { stringify } from 'yaml';
import type { z } from 'zod';
import type { EdgeConfig } from '../edge/config.ts';
import { demoCardSchemes } from './demo-card-schemes.ts';
import { demoProgramme } from './demo-programme.ts';

/** Names of a simulated till's readers, as its configuration and its events name them. */
export const READERS = { serial: 'counter', tcp: 'handheld' } as const;

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
    ],
    cardSchemes: demoCardSchemes,
    api: till.api,
  };
  return `# Written by the simulator at each start.\n${stringify(config)}`;
}
