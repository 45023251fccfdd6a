/** The page tokens and resume tokens that the fake has issued. Any other text is not a valid token. */
export class Tokens {
  readonly #issued = new Map<string, { scope: string; position: bigint }>();

  /** Returns a token of a position, which is valid only in this scope: for the same list, with the same filter. */
  issue(scope: string, position: bigint): string {
    const token = `token-${crypto.randomUUID()}`;
    this.#issued.set(token, { scope, position });
    return token;
  }

  /** Returns the position of a token, or undefined if it was not issued in this scope. */
  position(scope: string, token: string): bigint | undefined {
    const issued = this.#issued.get(token);
    return issued?.scope === scope ? issued.position : undefined;
  }
}
