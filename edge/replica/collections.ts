import type { RxJsonSchema } from 'rxdb';
import type {
  CredentialDocument,
  CustomerDocument,
  OfferDocument,
  ProgrammeDocument,
  ReplicaDocuments,
} from '../../sync/contract/replica-documents.ts';

/**
 * The RxDB schemas of the replicated collections. They say which fields there are and of which type; limits on values
 * are the zod schemas' business, which every document passes before it is written.
 */
const credentials: RxJsonSchema<CredentialDocument> = {
  version: 0,
  primaryKey: 'index',
  type: 'object',
  properties: {
    index: { type: 'string', maxLength: 43 },
    kind: { type: 'string' },
    customerId: { type: ['string', 'null'] },
    status: { type: 'string' },
    validUntil: { type: ['number', 'null'] },
    publicKey: { type: 'string' },
  },
  required: ['index', 'kind', 'customerId', 'status', 'validUntil'],
};

const customers: RxJsonSchema<CustomerDocument> = {
  version: 0,
  primaryKey: 'id',
  type: 'object',
  properties: {
    id: { type: 'string', maxLength: 36 },
    status: { type: 'string' },
    tier: { type: 'string' },
    points: { type: 'number' },
    pointsAt: { type: 'number' },
    purposes: { type: 'array', items: { type: 'string' } },
    greeting: { type: ['string', 'null'] },
  },
  required: ['id', 'status', 'tier', 'points', 'pointsAt', 'purposes', 'greeting'],
};

const text = {
  type: 'object',
  properties: { de: { type: 'string' }, en: { type: 'string' } },
  required: ['de', 'en'],
} as const;

const offers: RxJsonSchema<OfferDocument> = {
  version: 0,
  primaryKey: 'id',
  type: 'object',
  properties: {
    id: { type: 'string', maxLength: 64 },
    title: text,
    validFrom: { type: 'number' },
    validUntil: { type: 'number' },
    tiers: { type: 'array', items: { type: 'string' } },
    purpose: { type: 'string' },
    minTotalMinor: { type: 'number' },
    articles: { type: 'array', items: { type: 'string' } },
    categories: { type: 'array', items: { type: 'string' } },
    reward: { type: 'object', additionalProperties: true },
  },
  required: ['id', 'title', 'validFrom', 'validUntil', 'reward'],
};

const programme: RxJsonSchema<ProgrammeDocument> = {
  version: 0,
  primaryKey: 'id',
  type: 'object',
  properties: {
    id: { type: 'string', maxLength: 16 },
    version: { type: 'number' },
    currency: { type: 'string' },
    earn: { type: 'object', additionalProperties: true },
    burn: { type: 'object', additionalProperties: true },
    points: { type: 'object', additionalProperties: true },
    redemption: { type: 'object', additionalProperties: true },
    lateCredit: { type: 'object', additionalProperties: true },
    tiers: { type: 'array', items: { type: 'object', additionalProperties: true } },
    staleAfterMs: { type: 'number' },
    consentTexts: { type: 'array', items: { type: 'object', additionalProperties: true } },
    replica: { type: 'object', additionalProperties: true },
  },
  required: ['id', 'version', 'currency', 'earn', 'tiers', 'staleAfterMs'],
};

type Schemas = { [C in keyof ReplicaDocuments]: RxJsonSchema<ReplicaDocuments[C]> };

export const replicaSchemas: Schemas = { credentials, customers, offers, programme };
