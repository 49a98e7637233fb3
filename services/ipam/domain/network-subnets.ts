import { DomainError, invalidField } from '#platform/errors/domain-error.ts';
import { overlaps } from '#platform/net/cidr.ts';
import type { Cidr } from '#platform/net/cidr.ts';
import type { Uuid } from '#platform/net/names.ts';

/** The subnets that a network has, in order of creation. */
export interface NetworkSubnets {
  readonly subnets: readonly SubnetEntry[];
}

export interface SubnetEntry {
  readonly id: Uuid;
  readonly cidr: Cidr;
}

/** Each allocation looks at all of them. */
const MAX_SUBNETS = 256;

/** A network without subnets. */
export const noSubnets: NetworkSubnets = { subnets: [] };

/** With one more. Throws `invalid` when it overlaps one that is there, `exhausted` when there are too many. */
export const withSubnet = ({ subnets }: NetworkSubnets, { id, cidr }: SubnetEntry): NetworkSubnets => {
  const other = subnets.find((entry) => overlaps(entry.cidr, cidr));
  if (other !== undefined) {
    throw invalidField('subnet.cidr', cidr.text, `overlaps ${other.cidr.text} of subnet ${other.id} in this network`);
  }
  if (subnets.length >= MAX_SUBNETS) {
    throw new DomainError('exhausted', 'TOO_MANY_SUBNETS', `a network has ${MAX_SUBNETS.toString()} subnets at most`);
  }
  return { subnets: [...subnets, { id, cidr }] };
};

/** Without the one of that id. */
export const withoutSubnet = ({ subnets }: NetworkSubnets, id: Uuid): NetworkSubnets => ({
  subnets: subnets.filter((entry) => entry.id !== id),
});
