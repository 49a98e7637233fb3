import type { Operation } from '../../model/operation.ts';

/** Columns of the database that a step sets, by the table of the row that bears the name. */
export interface OvsColumns {
  readonly bridge?: {
    readonly datapathType?: string;
    readonly failMode?: string;
  };
  readonly port?: {
    readonly isProtected?: boolean;
  };
  readonly interface?: {
    readonly mtuRequest?: number;
    /** Options to set; an empty value takes the option away. Others are left alone. */
    readonly options?: Readonly<Record<string, string>>;
  };
}

/** A change of Open vSwitch' database: one transaction. */
export type OvsChange =
  | {
      readonly kind: 'add-bridge';
      readonly bridge: string;
      readonly overlay: string;
      readonly datapathType: string;
      readonly mtuRequest?: number;
    }
  | { readonly kind: 'delete-bridge'; readonly bridge: string }
  | {
      readonly kind: 'add-port';
      readonly bridge: string;
      readonly port: string;
      readonly overlay: string;
      /** Of its interface; empty for a device of the host. */
      readonly type: string;
      readonly options: Readonly<Record<string, string>>;
      readonly isProtected: boolean;
    }
  | { readonly kind: 'delete-port'; readonly bridge: string; readonly port: string }
  | { readonly kind: 'mark-port'; readonly port: string; readonly overlay: string }
  | { readonly kind: 'set'; readonly name: string; readonly columns: OvsColumns };

/**
 * A step for an overlay. Where `ovs` is there, that is what is done, without a process, and `argv` is what a person would
 * type for it; otherwise `argv` is run.
 */
export interface OverlayStep extends Operation {
  readonly ovs?: OvsChange;
}
