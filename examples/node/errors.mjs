/** Bad input: the text is one sentence for a person. */
export { PageError as UsageError } from "../../web/src/core/errors.js";
