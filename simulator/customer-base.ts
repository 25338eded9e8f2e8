import { readFile, writeFile } from 'node:fs/promises';
import type { Clock } from '../foundation/clock.ts';
import type { Random } from '../foundation/random.ts';
import { demoOffers, demoProgramme } from './demo-programme.ts';
import { membersWithPhone, phoneOf } from './phone.ts';
import { POPULATION_VERSION } from './population.ts';
import type { GeneratedCard, GeneratedCustomer, Population } from './population.ts';
import { SHOP } from './shop-files.ts';
import type { NewCard, NewCustomer, ServerClient } from './server-client.ts';

/** Customers made by one request. */
const BATCH = 1_000;
/** Requests under way at once. */
const TOGETHER = 8;
/** Given to those who can show that it is them, so that paying with points can be tried. */
const WELCOME_POINTS = 1_000;

/**
 * Fills the server with programme, offers and customers through its API, unless they are there.
 * @param markFile tells that all was imported; written last, so an import that was cut short is done again
 * @throws Error when the folder holds another population
 */
export async function importCustomerBase(
  server: ServerClient,
  population: Population,
  markFile: string,
  {
    clock,
    random,
    say,
  }: { readonly clock: Clock; readonly random: Random; readonly say: (line: string) => void },
): Promise<void> {
  const withPhone = membersWithPhone(population);
  const mark = `${population.size} customers, ${withPhone.length} phones, generator ${POPULATION_VERSION}`;
  const imported = await readFile(markFile, 'utf8').catch(() => undefined);
  if (imported === mark) return;
  if (imported !== undefined) {
    throw new Error(
      `the shop holds other customers (${imported}, wanted are ${mark}): start it with --fresh`,
    );
  }
  say(`importing ${population.size} customers …`);
  await server.putProgramme(demoProgramme);
  for (const offer of demoOffers(clock.now())) await server.putOffer(offer);
  for (const batch of inBatches(population.customers(), BATCH)) {
    await server.createCustomers(batch.map(newCustomer));
    const blocked = batch.flatMap((customer) => [
      ...customer.cards
        .filter(isBlocked)
        .map((card) => () => server.issueBlocked(customer.id, newCard(card))),
      ...(customer.status === 'blocked' ? [() => server.blockCustomer(customer.id)] : []),
    ]);
    for (const some of inBatches(blocked, TOGETHER)) await Promise.all(some.map((block) => block()));
  }
  for (const { id, ordinal } of withPhone) {
    await server.enrolDevice(id, phoneOf(ordinal, { tenant: SHOP.tenant, clock, random }).publicKey);
    await server.givePoints(id, { id, points: WELCOME_POINTS });
  }
  await writeFile(markFile, mark);
}

function newCustomer({ id, tier, purposes, person, cards }: GeneratedCustomer): NewCustomer {
  return {
    id,
    tier,
    purposes,
    greeting: purposes.includes('greeting') ? person.givenName : null,
    profile: {
      givenName: person.givenName,
      familyName: person.familyName,
      birthDate: person.birthDate,
      email: person.mail,
      street: person.street,
      postalCode: person.postalCode,
      city: person.city,
      country: person.country,
    },
    cards: cards.filter((card) => !isBlocked(card)).map(newCard),
  };
}

function newCard({ scheme, number, validUntil }: GeneratedCard): NewCard {
  return { scheme, number, validUntil };
}

function isBlocked({ status }: GeneratedCard): boolean {
  return status === 'blocked';
}

function* inBatches<T>(items: Iterable<T>, size: number): Generator<T[]> {
  let batch: T[] = [];
  for (const item of items) {
    batch.push(item);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
