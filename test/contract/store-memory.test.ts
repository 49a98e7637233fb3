import { MemoryStore } from '#platform/store/memory-store.ts';
import { ManualClock } from '#platform/testing/manual-clock.ts';
import { storeContract } from './store.contract.ts';

storeContract('memory', () => {
  const clock = new ManualClock();
  return Promise.resolve({
    store: new MemoryStore('test', clock),
    passSeconds: (seconds) => clock.advance(seconds * 1_000),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
});
