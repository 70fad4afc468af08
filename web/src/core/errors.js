/** Something that can be told to whoever uses the page, in one sentence. */
export class PageError extends Error {}

/** A question that was taken back before it was answered; nothing to tell. */
export class Dropped extends Error {}
