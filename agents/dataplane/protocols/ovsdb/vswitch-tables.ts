import { map, optional, scalar, set, table } from './column.ts';

/** What the agent reads and writes of the tables of ovs-vswitchd.conf.db(5); that page says what each column means. */
export const OpenVswitch = table('Open_vSwitch', {
  bridges: set('uuid'),
  cur_cfg: scalar('integer'),
  next_cfg: scalar('integer'),
  datapath_types: set('string'),
  iface_types: set('string'),
  ovs_version: optional('string'),
  external_ids: map('string', 'string'),
  other_config: map('string', 'string'),
});

/** A bridge; garbage unless an `Open_vSwitch` row refers to it. */
export const Bridge = table('Bridge', {
  name: scalar('string'),
  ports: set('uuid'),
  datapath_type: scalar('string'),
  fail_mode: optional('string'),
  protocols: set('string'),
  flow_tables: map('integer', 'uuid'),
  stp_enable: scalar('boolean'),
  rstp_enable: scalar('boolean'),
  mcast_snooping_enable: scalar('boolean'),
  external_ids: map('string', 'string'),
  other_config: map('string', 'string'),
});

/** A port of a bridge; garbage unless a `Bridge` row refers to it. */
export const Port = table('Port', {
  name: scalar('string'),
  interfaces: set('uuid'),
  tag: optional('integer'),
  protected: scalar('boolean'),
  external_ids: map('string', 'string'),
  other_config: map('string', 'string'),
});

/**
 * The one device of a port, or one of a bond; garbage unless a `Port` row refers to it. `mac_in_use`, `mtu`, `ifindex`,
 * `admin_state` and `link_state` are not kept on disk: they are empty after a restart of ovsdb-server, until ovs-vswitchd
 * has connected again and written them.
 */
export const Interface = table('Interface', {
  name: scalar('string'),
  type: scalar('string'),
  options: map('string', 'string'),
  ofport: optional('integer'),
  ofport_request: optional('integer'),
  mac: optional('string'),
  mac_in_use: optional('string'),
  mtu: optional('integer'),
  mtu_request: optional('integer'),
  ifindex: optional('integer'),
  admin_state: optional('string'),
  link_state: optional('string'),
  error: optional('string'),
  external_ids: map('string', 'string'),
  other_config: map('string', 'string'),
});

/** Settings of an OpenFlow table; garbage unless a `Bridge` row refers to it. */
export const FlowTable = table('Flow_Table', {
  name: optional('string'),
  flow_limit: optional('integer'),
  overflow_policy: optional('string'),
  groups: set('string'),
  prefixes: set('string'),
  external_ids: map('string', 'string'),
});

/** All of them. */
export const vswitchTables = [OpenVswitch, Bridge, Port, Interface, FlowTable] as const;

/** One of them. */
export type VswitchTable = (typeof vswitchTables)[number];
