/** Something that can be told to whoever uses the page, in one sentence. */
export class PageError extends Error {}
