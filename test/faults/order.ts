import { parseArgs } from 'node:util';
import { faultKinds } from './faults.ts';
import type { FaultKind } from './faults.ts';
import { isMutant, mutants } from './mutants.ts';
import type { MutantName } from './mutants.ts';

/** What is to be run. */
export interface Order {
  readonly rounds: number;
  /** Of the first round; the second has the next. */
  readonly seed: number;
  readonly tills: number;
  readonly workers: number;
  readonly kinds: readonly FaultKind[];
  readonly keep: boolean;
  readonly mutant: MutantName | undefined;
}

/** Each mutant may take as many rounds until it is caught. */
const MUTANT_ROUNDS = 12;

/**
 * `--rounds N --seed S`, and for whoever looks closer `--tills`, `--workers`, `--only KIND,…`, `--keep`, `--mutant NAME`;
 * `--mutants` runs each of them.
 * @throws Error naming what does not fit
 */
export function readOrders(argv: readonly string[]): readonly Order[] {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      rounds: { type: 'string' },
      seed: { type: 'string', default: '1' },
      tills: { type: 'string', default: '3' },
      workers: { type: 'string', default: '2' },
      only: { type: 'string' },
      keep: { type: 'boolean', default: false },
      mutant: { type: 'string' },
      mutants: { type: 'boolean', default: false },
    },
  });
  const number = (name: 'rounds' | 'seed' | 'tills' | 'workers', max: number, otherwise: number): number => {
    const given = Number(values[name] ?? otherwise);
    if (!Number.isInteger(given) || given < 1 || given > max)
      throw new Error(`--${name} is a whole number from 1 to ${max}`);
    return given;
  };
  const kinds = values.only?.split(',').map((name) => {
    const kind = faultKinds.find((each) => each === name);
    if (kind === undefined) throw new Error(`--only knows ${faultKinds.join(', ')}`);
    return kind;
  });
  const { mutant } = values;
  if (mutant !== undefined && !isMutant(mutant))
    throw new Error(`--mutant knows ${Object.keys(mutants).join(', ')}`);
  const order = {
    seed: number('seed', 2 ** 31, 1),
    tills: number('tills', 8, 3),
    workers: number('workers', 4, 2),
    keep: values.keep,
  };
  const all = values.mutants ? Object.keys(mutants).filter(isMutant) : [mutant];
  return all.map((each) => ({
    ...order,
    mutant: each,
    kinds: kinds ?? (each === undefined ? faultKinds : mutants[each].kinds),
    rounds: number('rounds', 10_000, each === undefined ? 20 : MUTANT_ROUNDS),
  }));
}
