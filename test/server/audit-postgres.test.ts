import { describe } from 'vitest';
import { auditSuite } from './audit.suite.ts';
import { onPostgres } from './suite-databases.ts';

describe('an audit of PostgreSQL', () => {
  auditSuite(onPostgres().database);
});
