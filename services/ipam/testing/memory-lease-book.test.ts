import { MemoryStore } from '#platform/store/memory-store.ts';
import { systemClock } from '#platform/async/clock.ts';
import { leaseBookContract } from '../adapters/lease-book.contract.ts';
import { MemoryLeaseBook } from './memory-lease-book.ts';

leaseBookContract(() => {
  const store = new MemoryStore('ipam', systemClock);
  return Promise.resolve({ store, book: (family) => new MemoryLeaseBook(store, family) });
});
