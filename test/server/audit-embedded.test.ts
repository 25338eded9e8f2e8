import { describe } from 'vitest';
import { auditSuite } from './audit.suite.ts';
import { onEmbedded } from './suite-databases.ts';

describe('an audit of the embedded database', () => {
  auditSuite(onEmbedded().database);
});
