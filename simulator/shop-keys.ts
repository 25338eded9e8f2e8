import { generateKeyPairSync } from 'node:crypto';

/** A fresh Ed25519 pair in PEM: PKCS #8 for the server, SPKI for the tills. */
export function makeServerKeys(): { readonly privatePem: string; readonly publicPem: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519', {
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  return { privatePem: privateKey, publicPem: publicKey };
}
