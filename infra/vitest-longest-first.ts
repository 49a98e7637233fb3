import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Suites that take a minute or more: begun last, one of them would keep one processor busy while the others have nothing to do. */
const LONGEST = [
  'test/docs/guides.test.ts',
  'test/system/libvirt.test.ts',
  'test/fault/agent.test.ts',
  'test/fault/ovs-away.test.ts',
  'test/fault/nats-away.test.ts',
  'test/fault/services.test.ts',
];

/** The longest suites first, the others as vitest has them. */
export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const rank = ({ moduleId }: TestSpecification): number => {
      const at = LONGEST.findIndex((suite) => moduleId.endsWith(suite));
      return at === -1 ? LONGEST.length : at;
    };
    return sorted.toSorted((a, b) => rank(a) - rank(b));
  }
}
