/** What the environment says of where to call. */
export const environment = (): { readonly address: string | undefined; readonly lab: string | undefined } => ({
  address: process.env['WEFT_ADDRESS'],
  lab: process.env['WEFT_LAB'],
});
