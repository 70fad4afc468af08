// The options of a request: checked here, for the fields, the links and the files of the page and for Node.
import { PageError } from "./errors.js";
import { OPTIONS, SAMPLING } from "./options.js";

const fits = ({ least, most, whole }, value) =>
  typeof value === "number" && value >= least && value <= most && (!whole || Number.isInteger(value));

/** A number that an option can have; a PageError for any other value. */
export function checked(name, value) {
  const option = OPTIONS[name];
  if (fits(option, value)) return value;
  const kind = option.whole ? "a whole number" : "a number";
  throw new PageError(`${option.called} is ${value}; expected ${kind} from ${option.least} to ${option.most}.`);
}

/** What somebody typed for an option, or a link has; null where that is no such number. */
export function optionIn(name, text) {
  const value = text === null || text.trim() === "" ? NaN : Number(text);
  return fits(OPTIONS[name], value) ? value : null;
}

/** The options that a picture is drawn with: what is not told is the model's own. */
export const settled = (told, spec) =>
  Object.fromEntries(SAMPLING.map((name) => [name, checked(name, told[name] ?? spec[name] ?? OPTIONS[name].usual)]));
