/** Bad input: the text is one sentence for a person. */
export class UsageError extends Error {}
