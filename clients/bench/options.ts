/** @throws Error with one sentence, unless the text is a whole number from `least` */
export function wholeNumber(option: string, text: string, least = 1): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= least) return number;
  throw new Error(`--${option}: expected a number from ${least}, got "${text}".`);
}
