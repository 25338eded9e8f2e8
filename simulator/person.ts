import { faker as german } from '@faker-js/faker/locale/de';
import { faker as austrian } from '@faker-js/faker/locale/de_AT';
import { faker as swiss } from '@faker-js/faker/locale/de_CH';
import type { Faker } from '@faker-js/faker';

/** Someone who does not exist. Mail addresses are below example.org, which belongs to nobody (RFC 2606). */
export interface Person {
  readonly givenName: string;
  readonly familyName: string;
  readonly street: string;
  readonly postalCode: string;
  readonly city: string;
  /** ISO 3166-1 alpha-2. */
  readonly country: 'AT' | 'DE' | 'CH';
  readonly mail: string;
  /** ISO 8601 date. */
  readonly birthDate: string;
}

const countries = [
  { country: 'AT', faker: austrian, postalFrom: 1010, postalTo: 9992, postalDigits: 4 },
  { country: 'DE', faker: german, postalFrom: 1067, postalTo: 99_998, postalDigits: 5 },
  { country: 'CH', faker: swiss, postalFrom: 1000, postalTo: 9658, postalDigits: 4 },
] as const satisfies readonly { readonly faker: Faker; readonly [field: string]: unknown }[];

/** Ages are counted from here, so that the same seed gives the same birth dates in any year. */
const REFERENCE_DATE = new Date(Date.UTC(2026, 0, 1));

/** The person with an ordinal, the same for the same seed whoever was asked for before. */
export function personOf(seed: number, ordinal: number): Person {
  const { faker, country, postalFrom, postalTo, postalDigits } = countries[ordinal % 3] ?? countries[0];
  faker.seed([seed, ordinal]);
  const givenName = faker.person.firstName();
  const familyName = faker.person.lastName();
  return {
    givenName,
    familyName,
    street: faker.location.streetAddress(),
    // Faker's own postal codes are any digits of the right length, such as 0462 in Austria.
    postalCode: String(faker.number.int({ min: postalFrom, max: postalTo })).padStart(postalDigits, '0'),
    city: faker.location.city(),
    country,
    mail: `${ascii(givenName)}.${ascii(familyName)}.${ordinal}@example.org`,
    birthDate: faker.date
      .birthdate({ refDate: REFERENCE_DATE, mode: 'age', min: 16, max: 90 })
      .toISOString()
      .slice(0, 10),
  };
}

const TRANSCRIPTION: Readonly<Record<string, string>> = { ä: 'ae', ö: 'oe', ü: 'ue', ß: 'ss' };

function ascii(name: string): string {
  return name
    .toLowerCase()
    .replace(/[äöüß]/g, (letter) => TRANSCRIPTION[letter] ?? letter)
    .normalize('NFD')
    .replace(/[^a-z]/g, '');
}
