/** Something this test needs is not on this machine; nothing was tested. */
export class CannotBeHad extends Error {
  constructor(what: string, options?: ErrorOptions) {
    super(what, options);
    this.name = 'CannotBeHad';
  }
}
