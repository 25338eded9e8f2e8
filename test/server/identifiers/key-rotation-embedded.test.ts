import { describe } from 'vitest';
import { onEmbedded } from '../suite-databases.ts';
import { rotationSuite } from './key-rotation.suite.ts';

describe('while the identifier key is rotated on the embedded database', () => {
  const { database } = onEmbedded();

  rotationSuite(database, 4);
});
