import { join } from 'node:path';
import { ADDRESS_FILE } from './control-contract.ts';
import { makeFolder } from '../foundation/folder.ts';

/** Where everything of a demo shop lies. */
export type ShopPaths = ReturnType<typeof shopPaths>;

export function shopPaths(root: string) {
  const key = (name: string): string => join(root, 'keys', name);
  return {
    root,
    addressFile: join(root, ADDRESS_FILE),
    scannerLink: join(root, 'scanner'),
    stxScannerLink: join(root, 'scanner-stx'),
    tillConfig: join(root, 'till.yaml'),
    tillData: join(root, 'till'),
    serverConfig: join(root, 'server.yaml'),
    serverData: join(root, 'server'),
    serverDatabase: join(root, 'server-database'),
    /** Tells that the customers of this population are in the database. */
    baseMark: join(root, 'customers-imported'),
    identifierKeyFile: key('identifier.key'),
    signingKeyFile: key('server.pem'),
    serverSecretFile: key('server.secret'),
    serverTokenFile: key('server-api.token'),
    tillKeyFile: key('till.key'),
    brokerPasswordFile: key('till-broker.password'),
    tillTokenFile: key('till-api.token'),
    displayTokenFile: key('till-display.token'),
    logFile: (program: string): string => join(root, 'logs', `${program}.log`),
  } as const;
}

/** Makes the folders that are not there, readable by their owner alone. */
export function makeShopFolders(paths: ShopPaths): void {
  for (const folder of [paths.root, join(paths.root, 'keys'), join(paths.root, 'logs')]) {
    makeFolder(folder);
  }
}
