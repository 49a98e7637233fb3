declare const brand: unique symbol;

/** `Base` that has been through the parser of `Name`: holding one is the proof that it is valid and canonical. */
export type Brand<Base, Name extends string> = Base & { readonly [brand]: Name };
