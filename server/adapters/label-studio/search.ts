/**
 * The place of the last element that is at most `value`; -1 when there is none.
 * @param list ascending by `keyOf`
 */
export function lastAtMost<T>(list: ArrayLike<T>, value: number, keyOf: (element: T) => number): number {
  let [low, high] = [-1, list.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (keyOf(list[middle] as T) <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}
