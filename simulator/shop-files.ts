import { existsSync, writeFileSync } from 'node:fs';
import { stringify } from 'yaml';
import type { z } from 'zod';
import type { Random } from '../foundation/random.ts';
import { newSecret, writeSecretFile } from '../foundation/secret-file.ts';
import type { ServerConfig } from '../server/config.ts';
import { createMissingKeys, loadKeys, publicKeyFileOf, tillToken } from '../server/keys.ts';
import { demoCardSchemes } from './demo-card-schemes.ts';
import { makeShopFolders } from './shop-folder.ts';
import type { ShopPaths } from './shop-folder.ts';
import type { CounterAddresses } from './readers/counter.ts';
import { tillYaml } from './till-config.ts';

/** Names of the demo shop. */
export const SHOP = { tenant: 'demo', store: 'store-1', till: 'store-1-till-1' } as const;

/** Loopback ports of a shop. */
export interface ShopPorts {
  readonly tillApi: number;
  readonly serverApi: number;
  readonly broker: number;
}

/** Makes what is missing of a shop's folders, keys and tokens, and writes the server's configuration anew. */
export function prepareShop(paths: ShopPaths, ports: ShopPorts, random: Random): void {
  makeShopFolders(paths);
  const keys = keyFiles(paths);
  createMissingKeys(keys, paths.serverTokenFile, random);
  const create = (path: string, protection: 'owner' | 'group', secret: string): void => {
    if (!existsSync(path)) writeSecretFile(path, secret, protection);
  };
  create(paths.tillKeyFile, 'owner', newSecret(random));
  create(paths.tillTokenFile, 'group', newSecret(random));
  create(paths.displayTokenFile, 'group', newSecret(random));
  create(paths.brokerPasswordFile, 'owner', tillToken(loadKeys(keys).secret, SHOP.tenant, SHOP.till));

  const config: z.input<typeof ServerConfig> = {
    tenant: SHOP.tenant,
    dataFolder: paths.serverData,
    database: { embedded: paths.serverDatabase },
    broker: { embedded: { port: ports.broker } },
    http: { port: ports.serverApi, tokenFile: paths.serverTokenFile },
    keys,
    cardSchemes: demoCardSchemes,
  };
  writeFileSync(paths.serverConfig, `# Written by the simulator at each start.\n${stringify(config)}`);
}

/** Writes the till's configuration anew. @param brokerPort where the network to the server begins */
export function configureTill(
  paths: ShopPaths,
  options: {
    readonly apiPort: number;
    readonly brokerPort: number;
    readonly scannerPort: number;
    readonly counter: CounterAddresses;
  },
): void {
  const text = tillYaml({
    tenant: SHOP.tenant,
    till: SHOP.till,
    store: SHOP.store,
    dataFolder: paths.tillData,
    keys: {
      tillKeyFile: paths.tillKeyFile,
      identifierKeyFile: paths.identifierKeyFile,
      serverPublicKeyFile: publicKeyFileOf(keyFiles(paths)),
    },
    broker: { port: options.brokerPort, passwordFile: paths.brokerPasswordFile },
    scannerPath: paths.scannerLink,
    scannerPort: options.scannerPort,
    counter: options.counter,
    api: {
      port: options.apiPort,
      tokenFile: paths.tillTokenFile,
      displayTokenFile: paths.displayTokenFile,
    },
  });
  writeFileSync(paths.tillConfig, text);
}

function keyFiles({ identifierKeyFile, signingKeyFile, serverSecretFile }: ShopPaths) {
  return { identifierKeyFile, signingKeyFile, secretFile: serverSecretFile };
}
