/**
 * One-to-one assignment of rows to columns with the largest total weight: the Hungarian method with potentials. O(n²m)
 * for n rows and m columns.
 *
 * @param weights [rows][columns], all rows of one length; a pair with a weight of 0 or less is never assigned
 * @returns for each row the index of its column, or -1 when the row is unassigned
 */
export function assignBest(weights: readonly (readonly number[])[]): number[] {
  const rows = weights.length;
  const columns = weights[0]?.length ?? 0;
  if (rows === 0 || columns === 0) return new Array(rows).fill(-1);
  // One extra column per row, with weight 0, allows every row to stay unassigned.
  const width = columns + rows;
  const cost = (row: number, column: number) =>
    column < columns ? -Math.max(0, weights[row]?.[column] ?? 0) : 0;

  // Row and column 0 are sentinels: `owner[0]` is the row being assigned.
  const rowPotential = new Float64Array(rows + 1);
  const columnPotential = new Float64Array(width + 1);
  const owner = new Int32Array(width + 1);
  const previous = new Int32Array(width + 1);
  for (let row = 1; row <= rows; row++) {
    owner[0] = row;
    let column = 0;
    const slack = new Float64Array(width + 1).fill(Number.POSITIVE_INFINITY);
    const visited = new Uint8Array(width + 1);
    do {
      visited[column] = 1;
      const current = owner[column] as number;
      let smallest = Number.POSITIVE_INFINITY;
      let next = 0;
      for (let j = 1; j <= width; j++) {
        if (visited[j]) continue;
        const reduced =
          cost(current - 1, j - 1) - (rowPotential[current] as number) - (columnPotential[j] as number);
        if (reduced < (slack[j] as number)) {
          slack[j] = reduced;
          previous[j] = column;
        }
        if ((slack[j] as number) < smallest) {
          smallest = slack[j] as number;
          next = j;
        }
      }
      for (let j = 0; j <= width; j++) {
        if (visited[j]) {
          const index = owner[j] as number;
          rowPotential[index] = (rowPotential[index] as number) + smallest;
          columnPotential[j] = (columnPotential[j] as number) - smallest;
        } else slack[j] = (slack[j] as number) - smallest;
      }
      column = next;
    } while (owner[column] !== 0);
    while (column !== 0) {
      const from = previous[column] as number;
      owner[column] = owner[from] as number;
      column = from;
    }
  }

  const assigned = new Array<number>(rows).fill(-1);
  for (let j = 1; j <= columns; j++) {
    const row = owner[j] as number;
    if (row > 0 && cost(row - 1, j - 1) < 0) assigned[row - 1] = j - 1;
  }
  return assigned;
}
