import { expect, test } from 'vitest';
import { onlyAsks, TableChanges } from '../../server/database/table-changes.ts';

const HEADS = `(select 'customers' from customer f) union all (select t.collection from "feed_tombstone" t)`;

test('a question is new after a write to one of its tables, also by a trigger, and the same after others', () => {
  const changes = new TableChanges();
  const told = (sql: string): boolean => {
    const before = changes.before(HEADS);
    changes.carriedOut(sql);
    return changes.before(HEADS) !== before;
  };
  expect(told('update customer set points = 1')).toBe(true);
  expect(told('insert into "credential" (index) values ($1)')).toBe(true);
  expect(told('with x as (insert into customer values (1) returning id) select id from x')).toBe(true);
  expect(told('insert into till_state as s values (1)')).toBe(false);
  expect(told('commit')).toBe(false);
  expect(told(HEADS)).toBe(false);
  expect(told(`commit prepared 'a'`)).toBe(true);
  expect(told('truncate customer')).toBe(true);
});

test('what locks, counts or waits is no mere question', () => {
  expect(onlyAsks('select 1 from customer')).toBe(true);
  expect(onlyAsks('select 1 from customer for update')).toBe(false);
  expect(onlyAsks(`select nextval('feed_seq')`)).toBe(false);
  expect(onlyAsks('select pg_advisory_xact_lock(1)')).toBe(false);
  expect(onlyAsks('with x as (delete from customer returning id) select id from x')).toBe(false);
});
