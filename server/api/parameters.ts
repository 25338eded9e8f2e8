import { z } from 'zod';
import { TillId, Uuid } from '../../sync/contract/ids.ts';

export const Id = z.strictObject({ id: Uuid.toLowerCase() });
export const TillParameter = z.strictObject({ till: TillId });
